"""The collection.json and catalog.json of a mirror, complete enough for readers if the source is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ...core.model import CATALOG_FILE, Collection, JsonObject, Stored
from .encode import stream
from .extent import Extent
from .hrefs import DocumentLocation, kept_links, origin_link, relative_href, relative_hrefs
from .item import put_assets
from .versions import STAC_VERSION, readable_version

_has_no_type = re.compile(r"0\.|1\.0\.0-beta").match


def collection_json(
    collection: Collection | str,
    location: DocumentLocation,
    item_paths: Iterable[str],
    records: Mapping[str, Stored],
    extent: Extent,
) -> Iterator[bytes]:
    """A collection.json in pieces: the document of the source, or a minimal one for an id, and item links.

    `records` are those of the collection's own assets, by key. Fields that readers need are added where
    they are missing; `extent` is that of the items, for a source that declares none.
    """
    if isinstance(collection, str):
        collection = Collection(collection, {}, "")
    body = _readable(collection, extent)
    listed = body.pop("links", None)
    put_assets(body, records, collection.href, location)
    links = _links(listed, collection.href, location)
    return stream(body, links, relative_hrefs(item_paths, location.path))


def catalog_json(
    name: str, description: str, children: Iterable[tuple[str, str]], item_paths: Iterable[str]
) -> Iterator[bytes]:
    """The root catalog.json in pieces. `children` are (title, path); `item_paths` are of items without
    collection."""
    head = {
        "type": "Catalog",
        "id": name or "mirror",
        "stac_version": STAC_VERSION,
        "description": description or f"Mirror of {name}",
    }
    return stream(head, _root_links(children), relative_hrefs(item_paths, CATALOG_FILE))


def _readable(collection: Collection, extent: Extent) -> JsonObject:
    body = dict(collection.body)
    body["stac_version"] = version = readable_version(body.get("stac_version"))
    _fit_to_readers(body, version)
    if not isinstance(body.get("id"), str) or not body["id"]:
        body["id"] = collection.id
    body.setdefault("description", f"Items of {collection.id}; the source gave no description.")
    body.setdefault("license", "other")
    if not _has_extent(body):
        body["extent"] = extent.json
    return body


def _fit_to_readers(body: JsonObject, version: str) -> None:
    """STAC before 1.0.0-rc.1 has no `type`: readers refuse a document of that age that has one.

    They also fail on null summaries, which MLHub wrote where there were none.
    """
    if _has_no_type(version):
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


def _links(listed: object, base: str, location: DocumentLocation) -> Iterator[JsonObject]:
    root = relative_href(CATALOG_FILE, location.path)
    yield {"rel": "root", "href": root, "type": "application/json"}
    yield {"rel": "parent", "href": root, "type": "application/json"}
    yield from origin_link(listed, base, location, "application/json")
    yield from kept_links(listed, base, location)


def _root_links(children: Iterable[tuple[str, str]]) -> Iterator[JsonObject]:
    yield {"rel": "root", "href": "./" + CATALOG_FILE, "type": "application/json"}
    for title, path in children:
        href = relative_href(path, CATALOG_FILE)
        yield {"rel": "child", "href": href, "type": "application/json", "title": title}
