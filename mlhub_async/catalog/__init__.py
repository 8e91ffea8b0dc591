"""Hides how the mirrored STAC is written: from what was read and what is on disk to bytes. No file I/O.

An item stays as it came, valid or not; only what ties a document to its place changes: links, and the
href, size and digest of the assets that are on disk.
"""

from .collection import catalog_json, collection_json
from .encode import encode, encode_fetchable
from .extent import Extent
from .hrefs import Place
from .item import item_json
from .seal import Sealer

__all__ = [
    "Extent",
    "Place",
    "Sealer",
    "catalog_json",
    "collection_json",
    "encode",
    "encode_fetchable",
    "item_json",
]
