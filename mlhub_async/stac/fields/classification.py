"""Which value of a label is which class, in which colour, and which band of an asset shows what.

Fields of the extensions classification (`classification:classes`), file (`file:values`), label
(`label:classes`) and eo (`eo:bands`), also those that a collection gives for all its items (`item_assets`),
and `bands` of STAC 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...core import pattern_on_use
from ...core.model import JsonObject

MAX_CLASSES = 256
"""Of one asset; more are not shown."""
_HINT = pattern_on_use(r"#?([0-9a-f]{6})", re.IGNORECASE)

Colour = tuple[int, int, int]


class LabelClass(NamedTuple):
    """A value of a raster, or of a property of features, and what it stands for.

    `value`: a whole number, or for features the text itself. `colour`: of the catalogue, if it names one.
    `is_position`: the catalogue lists only names; the value is the place in that list.
    """

    value: int | str
    name: str
    colour: Colour | None = None
    is_position: bool = False


def classes_of(item: JsonObject, collection: JsonObject, key: str) -> list[LabelClass]:
    """The classes of an asset, by the first field that has some; [] where the catalogue says nothing."""
    described = [*_descriptions(item, collection, key)]
    for about in described:
        for place in (about, *_bands(about)):
            if found := list(_classified(place.get("classification:classes"))):
                return found[:MAX_CLASSES]
    for about in described:
        if found := list(_file_values(about.get("file:values"))):
            return found[:MAX_CLASSES]
    for about in (_object(item.get("properties")), _object(collection.get("summaries"))):
        if found := list(_classified(about.get("classification:classes"))):
            return found[:MAX_CLASSES]
        if found := list(_label_classes(about.get("label:classes"))):
            return found[:MAX_CLASSES]
    return []


def class_properties(item: JsonObject) -> list[str]:
    """The properties of features that hold their class (`label:properties`, names in `label:classes`)."""
    properties = _object(item.get("properties"))
    named = [group.get("name") for group in _objects(properties.get("label:classes"))]
    listed = properties.get("label:properties")
    every = [*named, *(listed if isinstance(listed, list) else [])]
    return list(dict.fromkeys(name for name in every if isinstance(name, str) and name))


def is_label(item: JsonObject, key: str) -> bool:
    """Whether an asset is a label by its roles; where it has none, by the extension label and its key."""
    about = _object(_object(item.get("assets")).get(key))
    roles = about.get("roles")
    if isinstance(roles, list) and roles:
        return any(isinstance(one, str) and one.startswith("label") for one in roles)
    return "label:type" in _object(item.get("properties")) and "label" in key.lower()


def common_names(item: JsonObject, collection: JsonObject, key: str) -> list[str]:
    """The common name of each band of an asset, such as red; "" for a band without."""
    for about in _descriptions(item, collection, key):
        if bands := _bands(about):
            return [_common_name(band) for band in bands]
    return []


def _common_name(band: JsonObject) -> str:
    found = band.get("common_name", band.get("eo:common_name"))
    return found if isinstance(found, str) else ""


def _descriptions(item: JsonObject, collection: JsonObject, key: str) -> Iterator[JsonObject]:
    """What is said of an asset: by the item itself, then by its collection for all items."""
    yield _object(_object(item.get("assets")).get(key))
    yield _object(_object(collection.get("item_assets")).get(key))


def _bands(about: JsonObject) -> list[JsonObject]:
    for field in ("bands", "eo:bands", "raster:bands"):
        if found := _objects(about.get(field)):
            return found
    return []


def _classified(value: Any) -> Iterator[LabelClass]:
    for one in _objects(value):
        number, name = one.get("value"), one.get("title") or one.get("name") or one.get("description")
        if isinstance(number, int) and not isinstance(number, bool):
            hint = one.get("color_hint", one.get("color-hint"))
            yield LabelClass(number, str(name or number), _colour(hint))


def _colour(hint: Any) -> Colour | None:
    found = _HINT.fullmatch(hint) if isinstance(hint, str) else None
    if found is None:
        return None
    red, green, blue = bytes.fromhex(found[1])
    return red, green, blue


def _file_values(value: Any) -> Iterator[LabelClass]:
    for one in _objects(value):
        values = one.get("values")
        for number in values if isinstance(values, list) else ():
            if isinstance(number, int) and not isinstance(number, bool):
                yield LabelClass(number, str(one.get("summary") or number))


def _label_classes(value: Any) -> Iterator[LabelClass]:
    """Numbers are values; names are in the order of the values, which begin with 0."""
    for group in _objects(value):
        classes = group.get("classes")
        for position, one in enumerate(classes if isinstance(classes, list) else ()):
            if isinstance(one, int) and not isinstance(one, bool):
                yield LabelClass(one, str(one))
            elif isinstance(one, str):
                yield LabelClass(position, one, is_position=True)


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
