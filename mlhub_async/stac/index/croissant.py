"""Describes a mirror as a dataset of MLCommons Croissant 1.1: JSON-LD with the digest of every file.

Source of the terms: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, as the validator of
mlcroissant knows them. Its one record set is a table of all assets, which is a file of the mirror too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from mimetypes import MimeTypes
from typing import Any, NamedTuple

from ...core.json_text import encode_json
from ...core.model import JsonObject
from ..conditions.classes import classes_of

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
COLUMNS = {
    "collection": ("sc:Text", "id of the collection"),
    "item": ("sc:Text", "id of the item; empty for an asset of the collection itself"),
    "datetime": ("sc:Text", "time of the item, RFC 3339"),
    "classes": ("sc:Text", "label classes of the item, separated by semicolons"),
    "key": ("sc:Text", "key of the asset in its item"),
    "path": ("sc:Text", "path of the file below the folder of this document"),
    "bytes": ("sc:Integer", "size of the file"),
    "sha256": ("sc:Text", "digest of the file, in hexadecimal digits"),
}
"""Columns of the table of assets, and fields of its record set: type and meaning."""
MAX_KEYWORDS = 100
_MORE_TYPES = {
    ".geojson": "application/geo+json",
    ".parquet": "application/vnd.apache.parquet",
    ".jp2": "image/jp2",
    ".gpkg": "application/geopackage+sqlite3",
    ".laz": "application/vnd.laszip",
}


class CopiedFile(NamedTuple):
    """A file of the mirror; its path has forward slashes and is relative to the root."""

    path: str
    size: int
    sha256: str


class CopiedAsset(NamedTuple):
    """A file that is an asset, and the document of its item; {} for an asset of a collection."""

    collection: str
    item: str
    key: str
    file: CopiedFile
    body: JsonObject


def table_pieces(assets: Iterable[CopiedAsset]) -> Iterator[bytes]:
    """The table of all assets as CSV (RFC 4180)."""
    yield _line(COLUMNS)
    for one in assets:
        properties = one.body.get("properties")
        found = properties if isinstance(properties, dict) else {}
        time = found.get("datetime") or found.get("start_datetime")
        classes = "; ".join(sorted(classes_of(one.body)))
        yield _line((one.collection, one.item, time, classes, one.key, *one.file))


def croissant_pieces(
    name: str, source: str, collections: Iterable[JsonObject], table: str, files: Iterable[CopiedFile]
) -> Iterator[bytes]:
    """The document, piece by piece, one file per line. `table`: the path of the table of assets."""
    about = encode_json(_described(name, source, list(collections), table))
    yield about[:-1] + b',"distribution":['
    separator = b"\n"
    for one in files:
        yield separator + encode_json(_file_object(one))
        separator = b",\n"
    yield b"\n]}\n"


def _described(name: str, source: str, collections: list[JsonObject], table: str) -> dict[str, Any]:
    texts = [text for one in collections if (text := _text(one, "description"))]
    described: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": " ".join(texts) or f"A mirror made by mlhub-async of {source}",
        "license": distinct(collections, "license"),
        "citeAs": " ".join(distinct(collections, "sci:citation")),
        "creator": creators(collections),
        "keywords": keywords(collections),
        "url": source if source.startswith(("https://", "http://")) else "",
        "recordSet": [_record_set(table)],
    }
    return {name: value for name, value in described.items() if value}


def _text(body: JsonObject, name: str) -> str:
    found = body.get(name)
    return found if isinstance(found, str) else ""


def distinct(collections: list[JsonObject], name: str) -> list[str]:
    """The different texts that the collections have for a member."""
    return list(dict.fromkeys(text for one in collections if (text := _text(one, name))))


def keywords(collections: list[JsonObject]) -> list[str]:
    """The keywords of the collections, each once."""
    lists = (one.get("keywords") for one in collections)
    words = (word for found in lists if isinstance(found, list) for word in found if isinstance(word, str))
    return list(dict.fromkeys(words))[:MAX_KEYWORDS]


def creators(collections: list[JsonObject]) -> list[dict[str, str]]:
    """The providers that made the data: those with the role producer, or else all."""
    lists = (one.get("providers") for one in collections)
    every = [one for found in lists if isinstance(found, list) for one in found if isinstance(one, Mapping)]
    makers = [one for one in every if "producer" in (one.get("roles") or ())] or every
    named = {one["name"]: one.get("url") for one in makers if isinstance(one.get("name"), str)}
    return [
        {"@type": "Organization", "name": name} | ({"url": url} if isinstance(url, str) else {})
        for name, url in named.items()
    ]


def _record_set(table: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "assets",
        "name": "assets",
        "description": "All assets: one record for each file that an item or a collection describes.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"assets/{name}",
                "name": name,
                "description": meaning,
                "dataType": kind,
                "source": {"fileObject": {"@id": table}, "extract": {"column": name}},
            }
            for name, (kind, meaning) in COLUMNS.items()
        ],
    }


def _file_object(one: CopiedFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": one.path,
        "name": one.path.rpartition("/")[2],
        "contentUrl": one.path,
        "contentSize": f"{one.size} B",
        "encodingFormat": media_type(one.path),
        "sha256": one.sha256,
    }


def media_type(path: str) -> str:
    """The media type of a file by its name, the same on every machine."""
    return _types().guess_type(path.rpartition("/")[2])[0] or "application/octet-stream"


@cache
def _types() -> MimeTypes:
    found = MimeTypes()
    for suffix, kind in _MORE_TYPES.items():
        found.add_type(kind, suffix)
    return found


def _line(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(["" if one is None else one for one in values])
    return text.getvalue().encode("utf-8", "backslashreplace")
