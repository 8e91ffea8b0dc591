"""Hides in what form a caller hands over one STAC item: a dict, or an object of another library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ... import stac
from ...core.errors import UsageError
from ...core.model import Asset, Item, JsonObject


def assets(item: Any, keys: Iterable[str] | None = None) -> list[Asset]:
    """The assets of an item (a dict, or anything with `to_dict`, pystac's for example), in its order.

    `keys` picks some, in the order given; one that the item does not have raises `KeyError`.
    What is no item raises `UsageError`.
    """
    found = {asset.key: asset for asset in stac.assets_of(given_item(item))}
    return list(found.values()) if keys is None else [found[key] for key in keys]


def described(collection: JsonObject, page: JsonObject) -> Iterator[str]:
    """Lines for people about a collection and the first page of its items."""
    matched = stac.matched_of(page)
    first: JsonObject = next(iter(page.get("features") or ()), {})
    title = collection.get("title") or collection.get("description") or ""
    yield f"{collection.get('id')}: {title}".rstrip(": ")
    yield f"license: {collection.get('license')}"
    yield f"items: {matched if matched is not None else 'not told'}"
    yield "assets of an item:"
    if not first:
        return
    for asset in assets(first):
        yield f"  {asset.key}: {asset.media_type or 'type not told'}"
    if sources := len(stac.source_links(given_item(first))):
        yield f"source imagery: {sources} items per label"


def given_item(given: Any) -> Item:
    """The item in a dict, or in anything with `to_dict`. Raises `UsageError` if there is none."""
    body = given if isinstance(given, dict) else given.to_dict()
    found = stac.item_of(body, _self_of(body))
    if not isinstance(found, Item):
        raise UsageError(f"this is no STAC item: {found.error.message}")
    return found


def _self_of(body: JsonObject) -> str:
    return next((link["href"] for link in stac.links_of(body, "self")), "")
