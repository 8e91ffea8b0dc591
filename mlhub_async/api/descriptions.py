"""A collection in a few lines of text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import stac
from ..core.model import Item, JsonObject


def description(collection: JsonObject, matched: int | None, first: Item | None) -> Iterator[str]:
    """Lines about a collection with so many items, of which `first` is one."""
    title = collection.get("title") or collection.get("description") or ""
    yield f"{collection.get('id')}: {title}".rstrip(": ")
    yield f"license: {collection.get('license')}"
    for name, member in (("box", ("spatial", "bbox")), ("time", ("temporal", "interval"))):
        if (found := _first_extent(collection, *member)) is not None:
            yield f"{name}: {' '.join('..' if one is None else str(one) for one in found)}"
    for name in ("sci:doi", "sci:citation"):
        if collection.get(name):
            yield f"{name.removeprefix('sci:')}: {collection[name]}"
    yield f"items: {matched if matched is not None else 'unknown'}"
    yield "assets of an item:"
    if first is None:
        return
    for asset in stac.assets_of(first):
        yield f"  {asset.key}: {asset.media_type or 'of unknown type'}"
    if sources := len(stac.source_links(first)):
        yield f"source imagery: {sources} items per label"


def _first_extent(collection: JsonObject, kind: str, member: str) -> list[Any] | None:
    """The first box or interval that a collection declares, which is that of the whole."""
    extent = collection.get("extent")
    about = extent.get(kind) if isinstance(extent, dict) else None
    listed = about.get(member) if isinstance(about, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, list) else None
