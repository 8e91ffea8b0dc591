"""Hides the STAC API in front of the files: a landing page and paged items, as documents nginx can serve.

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
CONFORMS = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
Json = dict[str, Any]


def write(root: Path, stac: str, files_url: str, files: Sequence[File]) -> Path:
    """Write the API whose landing page is `stac` below `root`; the answer is all items in one file."""
    items = [
        _item(stac, name, [(file.name, f"{files_url}/{file.path}") for file in group])
        for name, group in groupby(files, key=lambda file: file.item)
    ]
    collection = _collection(stac)
    _put(root / "stac.json", _landing(stac))
    _put(root / "stac/conformance.json", {"conformsTo": CONFORMS})
    _put(
        root / "stac/collections.json",
        {"collections": [collection], "links": [_link("self", f"{stac}/collections")]},
    )
    _put(root / f"stac/collections/{COLLECTION}.json", collection)
    _pages(root / f"stac/collections/{COLLECTION}", f"{stac}/collections/{COLLECTION}/items", items)
    whole = root / "items.json"
    _put(whole, {"type": "FeatureCollection", "features": items})
    return whole


def _pages(folder: Path, url: str, items: Sequence[Json]) -> None:
    for start in range(0, len(items), PAGE):
        number = start // PAGE
        here = url if number == 0 else f"{url}?limit={PAGE}&token={number}"
        links = [_link("self", here, "application/geo+json")]
        if start + PAGE < len(items):
            links.append(_link("next", f"{url}?limit={PAGE}&token={number + 1}", "application/geo+json"))
        features = items[start : start + PAGE]
        page: Json = {"type": "FeatureCollection", "features": features, "links": links}
        page |= {"numberMatched": len(items), "numberReturned": len(features)}
        _put(folder / ("items.json" if number == 0 else f"items.{number}.json"), page)
    for item in items:
        _put(folder / f"items/{item['id']}.json", item)


def _item(stac: str, name: str, assets: Sequence[tuple[str, str]]) -> Json:
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
            _link("self", f"{collection}/items/{name}", "application/geo+json"),
            _link("parent", collection),
            _link("collection", collection),
            _link("root", stac),
        ],
        "assets": {key.partition(".")[0]: _asset(href) for key, href in assets},
    }


def _asset(href: str) -> Json:
    return {"href": href, "type": "application/octet-stream", "roles": ["data"]}


def _collection(stac: str) -> Json:
    here = f"{stac}/collections/{COLLECTION}"
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "description": "Files of random bytes, for measuring.",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
        },
        "links": [
            _link("self", here),
            _link("root", stac),
            _link("parent", stac),
            _link("items", f"{here}/items", "application/geo+json"),
        ],
    }


def _landing(stac: str) -> Json:
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "benchmark",
        "description": "One collection of random bytes.",
        "conformsTo": CONFORMS,
        "links": [
            _link("self", stac),
            _link("root", stac),
            _link("conformance", f"{stac}/conformance"),
            _link("data", f"{stac}/collections"),
            _link("child", f"{stac}/collections/{COLLECTION}"),
        ],
    }


def _link(rel: str, href: str, media_type: str = "application/json") -> Json:
    return {"rel": rel, "href": href, "type": media_type}


def _put(path: Path, document: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, separators=(",", ":")))
