"""Gives records of old STAC versions the structure of present ones: assets by key, links in a list."""

from __future__ import annotations

from typing import Any

from ...core.model import JsonObject
from ..links import listed_links

_KEY_FIELDS = ("key", "id", "name", "title", "role", "rel")


def present_structure(record: JsonObject) -> JsonObject:
    """The record with assets by key and its links in a list; the same object if it is written so."""
    assets, links = record.get("assets"), record.get("links")
    changed: JsonObject = {}
    if isinstance(assets, list):
        changed["assets"] = _by_key(assets)
    if isinstance(links, dict):
        changed["links"] = listed_links(record)
    return {**record, **changed} if changed else record


def hidden_members(record: JsonObject) -> str:
    """Why the assets or links of a record cannot be known: they are text or a number, such as JSON that was
    encoded twice; "" where they are a list or an object, or there are none."""
    for name in ("assets", "links"):
        value = record.get(name)
        if value and not isinstance(value, list | dict):
            found = "text" if isinstance(value, str) else "true" if value is True else "a number"
            return f"has {name} that are no object or list, but {found}"
    return ""


def _by_key(listed: list[Any]) -> JsonObject:
    """Assets of a list under their own keys, or their numbers; a key that is taken gets the number too."""
    found: JsonObject = {}
    for number, asset in enumerate(listed, 1):
        key = _own_key(asset) or str(number)
        while key in found:
            key = f"{key}-{number}"
        found[key] = {"href": asset} if isinstance(asset, str) else asset  # it may be only its href
    return found


def _own_key(asset: Any) -> str:
    about = asset if isinstance(asset, dict) else {}
    roles = about.get("roles")
    named = [about.get(name) for name in _KEY_FIELDS] + (roles if isinstance(roles, list) else [])
    return next((one.strip() for one in named if isinstance(one, str) and one.strip()), "")
