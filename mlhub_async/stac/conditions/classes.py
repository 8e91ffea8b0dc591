"""`--class`: whether a label item shows one of some classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...core.model import JsonObject


def shows_any(names: tuple[str, ...]) -> Callable[[JsonObject], bool]:
    """A test whether a label item shows one of the classes, in any letter case.

    The first of these that the item has decides: label:overviews, `labels`, label:classes, its assets.
    """
    wanted = {name.casefold() for name in names}

    def shows(body: JsonObject) -> bool:
        return bool({name.casefold() for name in classes_of(body)} & wanted)

    return shows


def classes_of(body: JsonObject) -> set[str]:
    """The classes that an item shows; see `shows_any`."""
    for source in (_counted, _listed, _possible, _in_assets):
        if found := {str(name) for name in source(body)}:
            return found
    return set()


def counts_of(body: JsonObject) -> dict[str, float]:
    """What label:overviews count of each class of an item, such as pixels or polygons."""
    found: dict[str, float] = {}
    for name, number in _counts(body):
        found[str(name)] = found.get(str(name), 0) + number
    return found


def _counted(body: JsonObject) -> Iterator[Any]:
    """label:overviews: classes that were counted in this item."""
    return (name for name, _ in _counts(body))


def _counts(body: JsonObject) -> Iterator[tuple[Any, float]]:
    for overview in _objects(_properties(body).get("label:overviews")):
        for count in _objects(overview.get("counts")):
            number = count.get("count")
            if isinstance(number, int | float) and number > 0:
                yield count.get("name"), number


def _listed(body: JsonObject) -> Iterator[Any]:
    """MLHub's own property `labels`."""
    found = _properties(body).get("labels")
    yield from found if isinstance(found, list) else ()


def _possible(body: JsonObject) -> Iterator[Any]:
    """label:classes: classes that could be in this item."""
    for group in _objects(_properties(body).get("label:classes")):
        found = group.get("classes")
        yield from found if isinstance(found, list) else ()


def _in_assets(body: JsonObject) -> Iterator[Any]:
    """file:values and classification:classes of the item's assets."""
    assets = body.get("assets")
    for asset in assets.values() if isinstance(assets, dict) else ():
        about = asset if isinstance(asset, dict) else {}
        for value in _objects(about.get("file:values")):
            yield value.get("summary")
        for value in _objects(about.get("classification:classes")):
            yield from (value[name] for name in ("name", "title") if name in value)


def _objects(value: Any) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _properties(body: JsonObject) -> JsonObject:
    found = body.get("properties")
    return found if isinstance(found, dict) else {}
