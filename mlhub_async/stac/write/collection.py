"""Hides what makes a collection and the root of the mirror readable when the source gave little."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ...core.model import CATALOG_FILE, Collection, JsonObject, Record
from .encode import stream
from .extent import Extent
from .hrefs import DocumentLocation, links, origin_link, relative
from .item import put_assets

_STAC_VERSION = "1.0.0"
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_BEFORE_TYPE = re.compile(r"0\.|1\.0\.0-beta")


def collection_json(
    collection: Collection | str,
    place: DocumentLocation,
    item_paths: Iterable[str],
    records: Mapping[str, Record],
    extent: Extent,
) -> Iterator[bytes]:
    """The collection as the source gave it, or one made up for an id, with links to its items; in pieces.

    Of `records` it takes those of the collection's own assets, by key. What is missing and a reader
    cannot do without is added; `extent` serves only where the source tells none.
    """
    if isinstance(collection, str):
        collection = Collection(collection, {}, "")
    body = _readable(collection, extent)
    listed = body.pop("links", None)
    put_assets(body, records, collection.href, place)
    return stream(body, _links(listed, collection.href, place, item_paths))


def catalog_json(
    name: str, description: str, children: Iterable[tuple[str, str]], item_paths: Iterable[str]
) -> Iterator[bytes]:
    """The root catalog.json, in pieces. `children` are (title, path), `item_paths` have no collection."""
    head = {
        "type": "Catalog",
        "id": name or "mirror",
        "stac_version": _STAC_VERSION,
        "description": description or f"Mirror of {name}",
    }
    return stream(head, _root_links(children, item_paths))


def _readable(collection: Collection, extent: Extent) -> JsonObject:
    body = dict(collection.body)
    version = body.get("stac_version")
    if not isinstance(version, str) or not _VERSION.match(version):
        body["stac_version"] = version = _STAC_VERSION
    _mark(body, version)
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = collection.id
    body.setdefault("description", f"Items of {collection.id}; the source gave no description.")
    body.setdefault("license", "other")
    if not _has_extent(body):
        body["extent"] = extent.json
    return body


def _mark(body: JsonObject, version: str) -> None:
    """STAC before 1.0.0-rc.1 has no `type`, and readers take a document of that age with one for no STAC.

    They also trip over null summaries, which MLHub wrote where there were none.
    """
    if _BEFORE_TYPE.match(version):
        body.pop("type", None)
    else:
        body["type"] = "Collection"
    if body.get("summaries", body) is None:
        del body["summaries"]


def _has_extent(body: JsonObject) -> bool:
    extent = body.get("extent")
    spatial, temporal = (
        (extent.get("spatial"), extent.get("temporal")) if isinstance(extent, dict) else (0, 0)
    )
    return (
        isinstance(spatial, dict)
        and isinstance(temporal, dict)
        and isinstance(spatial.get("bbox"), list)
        and isinstance(temporal.get("interval"), list)
    )


def _links(
    listed: object, base: str, place: DocumentLocation, item_paths: Iterable[str]
) -> Iterator[JsonObject]:
    root = relative(CATALOG_FILE, place.path)
    yield {"rel": "root", "href": root, "type": "application/json"}
    yield {"rel": "parent", "href": root, "type": "application/json"}
    yield from origin_link(listed, base, place, "application/json")
    yield from links(listed, base, place)
    yield from _items(item_paths, place.path)


def _root_links(children: Iterable[tuple[str, str]], item_paths: Iterable[str]) -> Iterator[JsonObject]:
    yield {"rel": "root", "href": "./" + CATALOG_FILE, "type": "application/json"}
    for title, path in children:
        href = relative(path, CATALOG_FILE)
        yield {"rel": "child", "href": href, "type": "application/json", "title": title}
    yield from _items(item_paths, CATALOG_FILE)


def _items(paths: Iterable[str], start: str) -> Iterator[JsonObject]:
    return ({"rel": "item", "href": relative(path, start), "type": "application/geo+json"} for path in paths)
