"""What readers need of an item of any STAC version, added where its publisher left it out or renamed it."""

from __future__ import annotations

import re
from functools import lru_cache

from ...core.model import Collection, Item, JsonObject

STAC_VERSION = "1.0.0"
_is_version = re.compile(r"\d+\.\d+\.\d+", re.ASCII).match
_is_too_old = re.compile(r"0\.[0-5]\.").match
_TIMES = {
    "start_datetime": ("dtr:start_datetime", "start"),
    "end_datetime": ("dtr:end_datetime", "end"),
}
"""Names of before STAC 0.6 for the bounds of a time range."""


def readable_version(version: object) -> str:
    """A version that readers know: documents of before 0.6 are written in the structure of 1.0."""
    return _readable_version(version) if isinstance(version, str) else STAC_VERSION


@lru_cache(maxsize=64)
def _readable_version(version: str) -> str:
    return version if _is_version(version) and not _is_too_old(version) else STAC_VERSION


def readable_body(owner: Item | Collection) -> JsonObject:
    """The body of an item with the members that its document will have; that of a collection as it is."""
    return readable_item(owner) if isinstance(owner, Item) else owner.body


def readable_item(item: Item) -> JsonObject:
    """A copy of the item's body that says that it is an item, with the members that every item has.

    What the publisher wrote stays as it is, also where it is invalid.
    """
    body = dict(item.body)
    version = body.get("stac_version")
    if body.get("type") == "Feature" and readable_version(version) == version:
        return _with_null_datetime(body)
    body["type"] = "Feature"
    body["stac_version"] = readable_version(version)
    body["id"] = item.id
    body.setdefault("geometry", None)
    properties = body.get("properties")
    body["properties"] = _with_time(properties if isinstance(properties, dict) else {})
    if body.get("assets") is None:
        body["assets"] = {}
    if not isinstance(body.get("stac_extensions", []), list):
        body["stac_extensions"] = []
    return body


def _with_null_datetime(body: JsonObject) -> JsonObject:
    """STAC requires it of an item with a time range; servers such as pgstac leave null members out."""
    properties = body.get("properties")
    if isinstance(properties, dict) and "datetime" not in properties and properties.keys() >= _TIMES.keys():
        body["properties"] = {**properties, "datetime": None}
    return body


def _with_time(properties: JsonObject) -> JsonObject:
    """With `datetime`, and with the bounds of a time range under their present names."""
    found = dict(properties)
    for name, old_names in _TIMES.items():
        for old in old_names:
            if name not in found and isinstance(properties.get(old), str):
                found[name] = properties[old]
    if "datetime" not in found and "start_datetime" in found:
        found["datetime"] = None if "end_datetime" in found else found["start_datetime"]
    return found
