"""Items, and records of their files, for tests of the documents that are written."""

import hashlib

from mlhub_async.core.model import Item, Proof, Record

FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
API = "https://api.test/mlhub/v1"


def item(id="i", collection="c", href=f"{API}/collections/c/items/i", **fields):
    body = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [34.2, 0.2]},
        "bbox": [34.2, 0.2, 34.2, 0.2],
        "properties": {"datetime": "2019-07-21T00:00:00Z"},
        "links": [],
        "assets": {"B01": {"href": f"{API}/download/gAAAAABtoken", "type": "image/tiff"}},
    }
    if collection is None:
        del body["collection"]
    return Item(id, collection or "_no-collection", {**body, **fields}, href)


def record(path, data=b"x", proof=Proof.SIZE):
    return Record(path, len(data), hashlib.sha256(data).hexdigest(), 0, proof)


def hrefs(body, rel):
    return [link["href"] for link in body["links"] if link["rel"] == rel]
