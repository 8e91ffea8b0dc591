"""STAC on a test server: an API with every style of next link, and a static catalogue."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from support.server import Site
from support.wire_format import Plans, Reply, Seen

Json = dict[str, Any]

CORE = "https://api.stacspec.org/v1.0.0"
CONFORMS = [
    f"{CORE}/core",
    f"{CORE}/collections",
    f"{CORE}/item-search",
    f"{CORE}/ogcapi-features",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]


def stac_item(
    id: str, collection: str | None = "c1", /, *, properties: Json | None = None, **assets: Any
) -> Json:
    """A valid Item. An asset is given as its href or as the whole asset object."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        **({"collection": collection} if collection is not None else {}),
        "geometry": {"type": "Point", "coordinates": [1.0, 2.0]},
        "bbox": [1.0, 2.0, 1.0, 2.0],
        "properties": {"datetime": "2020-01-02T03:04:05Z", **(properties or {})},
        "links": [],
        "assets": {key: {"href": a} if isinstance(a, str) else a for key, a in assets.items()},
    }


def stac_collection(id: str, **more: Any) -> Json:
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": id,
        "description": f"Collection {id}",
        "license": "CC-BY-4.0",
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
        "links": [],
        **more,
    }


def sizes_and_digests(body: bytes) -> Json:
    """The fields of the file extension for these bytes."""

    return {"file:size": len(body), "file:checksum": "1220" + hashlib.sha256(body).hexdigest()}


@dataclass
class Api:
    """A STAC API over a list of items.

    `style` is the name of the paging parameter: token (opaque), page (from 1), offset, skip or startRecord
    (from 1). `merge`: the next link of a POST has only the new fields, and `merge`; else it has the whole
    body. `overrides` replaces fields of the document, by the number of the page.
    """

    site: Site
    items: Sequence[Json]
    page_size: int = 10
    style: str = "token"
    root: str = "/stac"
    merge: bool = False
    relative: bool = False
    matched: bool = True
    previous: bool = False
    empty_last: bool = False
    collections: Sequence[Json] = ()
    overrides: Mapping[int, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = dict.fromkeys(i.get("collection") for i in self.items)
        known = {c["id"] for c in self.collections}
        self.collections = [*self.collections, *(stac_collection(c) for c in ids if c and c not in known)]
        self.site.route(self.root, self.landing)
        self.site.route(f"{self.root}/conformance", lambda _: answer({"conformsTo": CONFORMS}))
        self.site.route(f"{self.root}/collections", lambda _: answer(self.listed()))
        self.site.route(f"{self.root}/search", self.search)
        for collection in self.collections:
            self.publish(collection)

    @property
    def url(self) -> str:
        return self.site.url(self.root)

    def publish(self, collection: Json) -> None:
        path = f"{self.root}/collections/{collection['id']}"
        self.site.route(path, lambda _: answer(self.linked(collection)))
        self.site.route(f"{path}/items", lambda seen: self.page(seen, {"collections": collection["id"]}))
        for one in self.items:
            if one.get("collection") == collection["id"]:
                self.site.route(f"{path}/items/{one.get('id')}", lambda _, one=one: answer(one))

    def landing(self, _: Seen) -> Reply:
        rels = {"self": "", "root": "", "data": "/collections", "conformance": "/conformance"}
        links: list[Json] = [{"rel": rel, "href": self.url + path} for rel, path in rels.items()]
        for method in ("GET", "POST"):
            search = {"rel": "search", "href": f"{self.url}/search", "type": "application/geo+json"}
            links.append({**search, "method": method})
        about = {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "An API"}
        return answer({**about, "conformsTo": CONFORMS, "links": links})

    def linked(self, collection: Json) -> Json:
        href = f"{self.url}/collections/{collection['id']}"
        return {
            **collection,
            "links": [{"rel": "self", "href": href}, {"rel": "items", "href": f"{href}/items"}],
        }

    def listed(self) -> Json:
        return {"collections": [self.linked(c) for c in self.collections], "links": []}

    def search(self, seen: Seen) -> Reply:
        return self.page(seen, {})

    def page(self, seen: Seen, fixed: Json) -> Reply:
        asked = json.loads(seen.body) if seen.method == "POST" else dict(parse_qsl(seen.query))
        found = self.select({**asked, **fixed})
        size = min(int(asked.get("limit", self.page_size)), self.page_size)
        start = self.start_of(asked.get(self.style), size)
        document: Json = {
            "type": "FeatureCollection",
            "features": found[start : start + size],
            "links": self.links(seen, asked, start, size, len(found)),
        }
        if self.matched:
            document |= {"numberMatched": len(found), "numberReturned": len(document["features"])}
        return answer({**document, **self.overrides.get(start // size + 1, {})}, "application/geo+json")

    def select(self, asked: Json) -> list[Json]:
        def wanted(name: str) -> list[str] | None:
            value = asked.get(name)
            return value.split(",") if isinstance(value, str) else value

        ids, collections = wanted("ids"), wanted("collections")
        return [
            i
            for i in self.items
            if (not ids or i.get("id") in ids) and (not collections or i.get("collection") in collections)
        ]

    def start_of(self, value: Any, size: int) -> int:
        if value is None:
            return 0
        if self.style == "page":
            return (int(value) - 1) * size
        if self.style == "startRecord":
            return int(value) - 1
        return int(str(value).removeprefix("next:").removeprefix("prev:"))

    def value_of(self, start: int, size: int) -> Any:
        by = {"page": start // size + 1, "startRecord": start + 1, "token": f"next:{start}"}
        return by.get(self.style, start)

    def links(self, seen: Seen, asked: Json, start: int, size: int, total: int) -> list[Json]:
        last = start + size >= total + (size if self.empty_last else 0)
        links = [] if last else [self.link("next", seen, asked, self.value_of(start + size, size))]
        if self.previous and start:
            links.insert(0, self.link("prev", seen, asked, self.value_of(max(0, start - size), size)))
        return links

    def link(self, rel: str, seen: Seen, asked: Json, value: Any) -> Json:
        href = seen.path if self.relative else self.site.url(seen.path)
        if seen.method == "POST":
            body = {self.style: value} if self.merge else {**asked, self.style: value}
            link = {"rel": rel, "href": href, "method": "POST", "body": body}
            return {**link, "merge": True} if self.merge else link
        return {"rel": rel, "href": f"{href}?{urlencode({**asked, self.style: value})}", "method": "GET"}


def answer(document: Any, content_type: str = "application/json") -> Reply:
    return Reply(200, [("Content-Type", content_type)], json.dumps(document).encode())


def static_catalog(
    site: Site, items: Sequence[Json], root: str = "/static", *, faults: Mapping[str, Plans] | None = None
) -> str:
    """Serves a catalogue with relative links: catalog.json, <collection>/collection.json, items in folders.

    `faults` are by path below the root. Returns the URL of catalog.json.
    """
    for path, document in static_documents(items).items():
        site.json(f"{root}/{path}", document, faults=(faults or {}).get(path, ()))
    return site.url(f"{root}/catalog.json")


def static_catalog_files(folder: Path, items: Sequence[Json]) -> None:
    """Writes the same catalogue as files below a folder."""
    for path, document in static_documents(items).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(document))


def static_documents(items: Sequence[Json]) -> dict[str, Json]:
    documents: dict[str, Json] = {}
    names = dict.fromkeys(str(one.get("collection")) for one in items)
    children = [{"rel": "child", "href": f"./{name}/collection.json"} for name in names]
    about = {"type": "Catalog", "stac_version": "1.0.0", "id": "static", "description": "A catalogue"}
    documents["catalog.json"] = {**about, "links": [{"rel": "root", "href": "./catalog.json"}, *children]}
    for number, one in enumerate(items):
        folder = f"{one.get('collection')}"
        parent = documents.setdefault(f"{folder}/collection.json", stac_collection(folder))
        parent["links"].append({"rel": "item", "href": f"./i{number}/i{number}.json"})
        documents[f"{folder}/i{number}/i{number}.json"] = one
    return documents
