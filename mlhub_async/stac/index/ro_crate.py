"""Describes a mirror as an RO-Crate: JSON-LD with an entity for every file.

The rules are those of https://w3id.org/ro/crate/1.1 (sections "Root Data Entity" and "Data Entities"). The
digests are terms of schema.org that the context of RO-Crate 1.1 does not have, so the document adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

from ...core.json_text import encode_json
from ...core.model import JsonObject
from .croissant import CopiedFile, creators, distinct, keywords, media_type

CONFORMS_TO = "https://w3id.org/ro/crate/1.1"
CONTEXT = [f"{CONFORMS_TO}/context", {"sha256": "https://schema.org/sha256"}]
_LICENSES = "https://spdx.org/licenses/"


def crate_pieces(
    document: str,
    name: str,
    source: str,
    day: str,
    collections: list[JsonObject],
    files: Callable[[], Iterable[CopiedFile]],
) -> Iterator[bytes]:
    """The document at the path `document`, piece by piece, one file per line.

    `day` is that of its making (ISO 8601). `files` gives them, twice.
    """
    root, others = _root(name, source, day, collections)
    yield b'{"@context":' + encode_json(CONTEXT) + b',"@graph":[\n'
    yield encode_json(_descriptor(document)) + b",\n" + encode_json(root)[:-1] + b',"hasPart":['
    separator = b"\n"
    for one in files():
        yield separator + encode_json({"@id": _id(one.path)})
        separator = b",\n"
    yield b"\n]}"
    for entity in (*others, *map(_file, files())):
        yield b",\n" + encode_json(entity)
    yield b"\n]}\n"


def _descriptor(document: str) -> dict[str, Any]:
    return {
        "@id": document,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": CONFORMS_TO},
    }


def _root(
    name: str, source: str, day: str, collections: list[JsonObject]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The root entity, and those that it refers to beside the files."""
    makers = [
        {"@id": one.get("url") or f"#creator-{number}", **one}
        for number, one in enumerate(creators(collections))
    ]
    licenses = [_license(text) for text in distinct(collections, "license")]
    texts = distinct(collections, "description")
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": " ".join(texts) or f"A mirror made by mlhub-async of {source}",
        "datePublished": day,
        "license": _references(licenses) or "not stated by the catalogue",
        "author": _references(makers),
        "creator": _references(makers),
        "keywords": keywords(collections),
        "isBasedOn": {"@id": source} if source.startswith(("https://", "http://")) else None,
    }
    based_on = [{"@id": source, "@type": "CreativeWork", "name": source}] if root["isBasedOn"] else []
    return {key: value for key, value in root.items() if value}, [*licenses, *makers, *based_on]


def _references(entities: list[dict[str, Any]]) -> Any:
    """To entities; one alone is no list."""
    found = [{"@id": one["@id"]} for one in entities]
    return found[0] if len(found) == 1 else found


def _license(text: str) -> dict[str, Any]:
    """STAC names licenses of SPDX, or says `other` and links to them."""
    known = text.lower() not in ("other", "various", "proprietary")
    place = f"{_LICENSES}{quote(text)}" if known else f"#license-{quote(text)}"
    return {
        "@id": place,
        "@type": "CreativeWork",
        "name": text,
        "description": f"license of the data: {text}",
    }


def _file(one: CopiedFile) -> dict[str, Any]:
    return {
        "@id": _id(one.path),
        "@type": "File",
        "name": one.path.rpartition("/")[2],
        "contentSize": str(one.size),
        "encodingFormat": media_type(one.path),
        "sha256": one.sha256,
    }


def _id(path: str) -> str:
    """A path as a relative reference (RFC 3986); a colon in its first name would begin a scheme."""
    return quote(path, safe="/!$&'()*+,;=@~")
