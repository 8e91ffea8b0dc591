"""Hides how a selection is decided item by item and asset by asset, with the meaning that servers give it."""

from __future__ import annotations

import fnmatch
import importlib
import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any, Protocol

import orjson

from ..core.errors import UsageError
from ..core.model import Item, JsonObject
from ..core.options import Selection
from . import datetimes, geometry
from .datetimes import instant

Test = Callable[[JsonObject], bool]

Comparison = Callable[[Any, Any], bool]


class Outlined(Protocol):
    """What decides whether an asset is wanted."""

    @property
    def key(self) -> str: ...

    @property
    def media_type(self) -> str | None: ...

    @property
    def size(self) -> int | None: ...


AssetFilter = Callable[[Outlined, JsonObject], bool]


def admits(selection: Selection, *, served: frozenset[str] = frozenset()) -> Callable[[Item], bool]:
    """Whether an item is selected. `served` names what the server has evaluated already.

    What needs an optional package ("intersects", "filter") is then decided here too if the package is
    there, and left to the server if not. Otherwise its absence raises `UsageError`, before any listing.
    """
    collections, ids = frozenset(selection.collections), frozenset(selection.ids)
    tests = list(_tests(selection, served))

    def admitted(item: Item) -> bool:
        if (ids and item.id not in ids) or (collections and item.collection not in collections):
            return False
        return all(test(item.body) for test in tests)

    return admitted


def wants(selection: Selection) -> AssetFilter:
    """Whether an asset is selected; its second argument is the body of the item (or collection) it is of.

    A size or a media type that the catalogue does not declare: the size passes, the media type does not.
    Where nothing is left out it is `everything`, which need not be asked.
    """
    keys = _keys(selection.include, selection.exclude)
    types = tuple(_bare(one) for one in selection.media_types)
    roles = frozenset(selection.roles)
    low, high = selection.min_size, selection.max_size
    if not (selection.include or selection.exclude or types or roles) and low is None and high is None:
        return everything

    def wanted(asset: Outlined, owner: JsonObject) -> bool:
        if not keys(asset.key) or (roles and not _has_role(roles, owner, asset.key)):
            return False
        if types and not _bare(asset.media_type or "").startswith(types):
            return False
        size = asset.size
        return size is None or ((low is None or size >= low) and (high is None or size <= high))

    return wanted


def everything(asset: Outlined, owner: JsonObject) -> bool:
    return True


def _tests(selection: Selection, served: frozenset[str]) -> Iterator[Test]:
    """Cheap tests first."""
    if selection.datetime is not None:
        bounds = datetimes.interval(selection.datetime)
        yield lambda body: datetimes.within(_properties(body), bounds)
    if selection.bbox is not None:
        yield geometry.touches_box(geometry.box(selection.bbox))
    if selection.query is not None:
        yield matches_query(selection.query)
    if selection.classes:
        yield shows_any(selection.classes)
    if selection.intersects is not None:
        yield from _intersects(geometry_of(selection.intersects), "intersects" in served)
    if selection.filter is not None:
        yield from _filter(selection.filter, "filter" in served)


def _intersects(shape: JsonObject, served: bool) -> Iterator[Test]:
    yield geometry.near_geometry(shape)
    shapely = _optional("shapely", "--intersects", served)
    if shapely is None:
        return
    try:
        wanted = shapely.geometry.shape(shape)
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise UsageError("--intersects is not a GeoJSON geometry") from error

    def meets(body: JsonObject) -> bool:
        try:
            return bool(shapely.geometry.shape(body["geometry"]).intersects(wanted))
        except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError):
            return False

    yield meets


def _filter(expression: Any, served: bool) -> Iterator[Test]:
    """Only what is wholly true is selected: a property that is missing leaves a rest that is neither."""
    cql2 = _optional("cql2", "--filter", served)
    if cql2 is None:
        return
    try:
        text = isinstance(expression, str)
        parsed = cql2.parse_text(expression) if text else cql2.parse_json(orjson.dumps(expression).decode())
    except cql2.ParseError as error:
        raise UsageError(f"--filter is not CQL2:\n{error}") from error
    yield lambda body: parsed.reduce(body).to_json() is True


def _optional(module: str, option: str, served: bool) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if served:
            return None
        raise UsageError(
            f"{option} has to be decided here, which needs a package: pip install 'mlhub-async[filter]'"
        ) from error


def geometry_of(given: JsonObject) -> JsonObject:
    """A Feature stands for its geometry."""
    inner = given.get("geometry")
    return inner if given.get("type") == "Feature" and isinstance(inner, dict) else given


def _properties(body: JsonObject) -> JsonObject:
    found = body.get("properties")
    return found if isinstance(found, dict) else {}


def _keys(include: tuple[str, ...], exclude: tuple[str, ...]) -> Callable[[str], bool]:
    if not include and not exclude:
        return lambda _key: True
    included, excluded = _globs(include or ("*",)), _globs(exclude)

    @lru_cache(maxsize=4096)
    def chosen(key: str) -> bool:
        return bool(included.fullmatch(key)) and not excluded.fullmatch(key)

    return chosen


def _globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")


@lru_cache(maxsize=1024)
def _bare(media_type: str) -> str:
    """Without parameters, and with a wildcard at the end taken for what it stands for."""
    return media_type.partition(";")[0].strip().lower().removesuffix("*")


def _has_role(wanted: frozenset[str], owner: JsonObject, key: str) -> bool:
    assets = owner.get("assets")
    raw = assets.get(key) if isinstance(assets, dict) else None
    roles = raw.get("roles") if isinstance(raw, dict) else None
    return isinstance(roles, list) and any(role in wanted for role in roles if isinstance(role, str))


_OPERATORS: dict[str, Comparison] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "startsWith": lambda value, part: str(value).startswith(str(part)),
    "endsWith": lambda value, part: str(value).endswith(str(part)),
    "contains": lambda value, part: part in value if isinstance(value, list) else str(part) in str(value),
    "in": lambda value, several: value in several,
}


def matches_query(selection: JsonObject) -> Callable[[JsonObject], bool]:
    """Whether an item's properties meet every condition. A property that is missing meets none.

    Raises `UsageError` for an operator that does not exist.
    """
    conditions = [
        (name.removeprefix("properties."), _operator(name, word), operand)
        for name, tests in selection.items()
        for word, operand in (tests if isinstance(tests, dict) else {"eq": tests}).items()
    ]

    def meets(body: JsonObject) -> bool:
        return all(_comparison_holds(test, _value(body, name), operand) for name, test, operand in conditions)

    return meets


def _operator(name: str, word: str) -> Comparison:
    test = _OPERATORS.get(word)
    if test is None:
        raise UsageError(f"--query {name}: no operator {word!r}; there are {', '.join(_OPERATORS)}")
    return test


def _value(body: JsonObject, name: str) -> Any:
    properties = body.get("properties")
    if isinstance(properties, dict) and name in properties:
        return properties[name]
    return body.get(name) if name in ("id", "collection") else None


def _comparison_holds(test: Comparison, value: Any, operand: Any) -> bool:
    """Times are compared as times, however each side writes its zone; what cannot be compared is false."""
    if value is None:
        return False
    moments = instant(value), instant(operand)
    if moments[0] and moments[1]:
        value, operand = moments
    try:
        return bool(test(value, operand))
    except TypeError:
        return False


def shows_any(names: tuple[str, ...]) -> Callable[[JsonObject], bool]:
    """Whether an item shows one of the classes. The most telling place that it fills decides."""
    wanted = {name.casefold() for name in names}

    def shows(body: JsonObject) -> bool:
        for place in (_counted, _listed, _possible, _in_assets):
            found = {str(name).casefold() for name in place(body)}
            if found:
                return bool(found & wanted)
        return False

    return shows


def _counted(body: JsonObject) -> Iterator[Any]:
    """label:overviews: what was counted in this very item."""
    for overview in _objects(_label_properties(body).get("label:overviews")):
        for count in _objects(overview.get("counts")):
            number = count.get("count")
            if isinstance(number, int | float) and number > 0:
                yield count.get("name")


def _listed(body: JsonObject) -> Iterator[Any]:
    """MLHub's own property `labels`."""
    found = _label_properties(body).get("labels")
    yield from found if isinstance(found, list) else ()


def _possible(body: JsonObject) -> Iterator[Any]:
    """label:classes: what could be there."""
    for group in _objects(_label_properties(body).get("label:classes")):
        found = group.get("classes")
        yield from found if isinstance(found, list) else ()


def _in_assets(body: JsonObject) -> Iterator[Any]:
    assets = body.get("assets")
    for asset in assets.values() if isinstance(assets, dict) else ():
        about = asset if isinstance(asset, dict) else {}
        for value in _objects(about.get("file:values")):
            yield value.get("summary")
        for value in _objects(about.get("classification:classes")):
            yield from (value[name] for name in ("name", "title") if name in value)


def _label_properties(body: JsonObject) -> JsonObject:
    found = body.get("properties")
    return found if isinstance(found, dict) else {}


def _objects(value: Any) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
