"""Writes a STAC API as files that nginx can serve: a landing page, collections and pages of items.

The document of /SET/stac/X is the file SET/stac/X.json; page N of a listing is X.N.json (see server.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from corpus import File

PAGE = 100
COLLECTION = "bench"
CONFORMANCE_CLASSES = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
Json = dict[str, Any]


def write(root: Path, stac: str, files_url: str, files: Sequence[File]) -> Path:
    """Write the API whose landing page is `stac` below `root`; returns a file with all items."""
    items = [
        item_of(stac, name, [(file.name, f"{files_url}/{file.path}") for file in group])
        for name, group in groupby(files, key=lambda file: file.item)
    ]
    collection = collection_of(stac)
    _put(root / "stac.json", landing_of(stac))
    _put(root / "stac/conformance.json", {"conformsTo": CONFORMANCE_CLASSES})
    _put(
        root / "stac/collections.json",
        {"collections": [collection], "links": [link_to("self", f"{stac}/collections")]},
    )
    _put(root / f"stac/collections/{COLLECTION}.json", collection)
    _pages(root / f"stac/collections/{COLLECTION}", f"{stac}/collections/{COLLECTION}/items", items)
    whole = root / "items.json"
    _put(whole, {"type": "FeatureCollection", "features": items})
    return whole


def _pages(folder: Path, url: str, items: Sequence[Json]) -> None:
    for start in range(0, len(items), PAGE):
        number = start // PAGE
        page = page_of(url, items[start : start + PAGE], number, PAGE, len(items))
        _put(folder / ("items.json" if number == 0 else f"items.{number}.json"), page)
    for item in items:
        _put(folder / f"items/{item['id']}.json", item)


def page_of(url: str, items: Sequence[Json], number: int, limit: int, total: int) -> Json:
    """Page `number` of the listing at `url`, with a link to the next one if there is more."""
    here = url if number == 0 else f"{url}?limit={limit}&token={number}"
    links = [link_to("self", here, "application/geo+json")]
    if number * limit + len(items) < total:
        links.append(link_to("next", f"{url}?limit={limit}&token={number + 1}", "application/geo+json"))
    page: Json = {"type": "FeatureCollection", "features": items, "links": links}
    return page | {"numberMatched": total, "numberReturned": len(items)}


def item_of(stac: str, name: str, assets: Sequence[tuple[str, str]]) -> Json:
    number = int(name.rpartition("-")[2])
    west, south = -180 + number % 350, -80 + number // 350 % 150
    ring = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1], [west, south]]
    collection = f"{stac}/collections/{COLLECTION}"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, west + 1, south + 1],
        "properties": {"datetime": "2020-06-01T00:00:00Z", "created": "2021-01-01T00:00:00Z"},
        "links": [
            link_to("self", f"{collection}/items/{name}", "application/geo+json"),
            link_to("parent", collection),
            link_to("collection", collection),
            link_to("root", stac),
        ],
        "assets": {key.partition(".")[0]: _asset(href) for key, href in assets},
    }


def _asset(href: str) -> Json:
    return {"href": href, "type": "application/octet-stream", "roles": ["data"]}


def collection_of(stac: str) -> Json:
    here = f"{stac}/collections/{COLLECTION}"
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "description": "Files of random bytes, for benchmarks.",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
        },
        "links": [
            link_to("self", here),
            link_to("root", stac),
            link_to("parent", stac),
            link_to("items", f"{here}/items", "application/geo+json"),
        ],
    }


def landing_of(stac: str) -> Json:
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "benchmark",
        "description": "One collection of random bytes.",
        "conformsTo": CONFORMANCE_CLASSES,
        "links": [
            link_to("self", stac),
            link_to("root", stac),
            link_to("conformance", f"{stac}/conformance"),
            link_to("data", f"{stac}/collections"),
            link_to("child", f"{stac}/collections/{COLLECTION}"),
        ],
    }


def link_to(rel: str, href: str, media_type: str = "application/json") -> Json:
    return {"rel": rel, "href": href, "type": media_type}


def _put(path: Path, document: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, separators=(",", ":")))
