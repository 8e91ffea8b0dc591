"""Hides how an item, and the assets of a collection, are tied to the files that are on disk."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from ... import __version__
from ...core import checksum
from ...core.model import CATALOG_FILE, Item, JsonObject, Proof, Record
from .encode import to_json
from .hrefs import DocumentLocation, asset_href, links, origin_link, outward, relative

FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_ANY_FILE_EXTENSION = ("https://stac-extensions.github.io/file/", "file")


def item_json(item: Item, records: Mapping[str, Record], place: DocumentLocation) -> bytes:
    """The item as it came, its links and the assets that `records` has (by asset key) put in place.

    Raises `TransferError` if the item holds what JSON cannot. One line: a catalogue may have a million.
    """
    body = dict(item.body)
    body["links"] = _links(item, place)
    put_assets(body, records, item.href, place)
    return to_json(body) + b"\n"


def put_assets(body: JsonObject, records: Mapping[str, Record], base: str, place: DocumentLocation) -> None:
    """Replace `assets`, and declare the file extension if it came into use. Null assets become none."""
    assets = body.get("assets", {})
    if assets is None:
        body["assets"] = {}
    if not isinstance(assets, dict) or not assets:
        return
    body["assets"] = {key: _asset(asset, records.get(key), base, place) for key, asset in assets.items()}
    if any(isinstance(assets.get(key), dict) for key in records):
        _declare_file_extension(body)


def _asset(asset: Any, record: Record | None, base: str, place: DocumentLocation) -> Any:
    if not isinstance(asset, dict):
        return asset
    if record is None:
        href = asset.get("href")
        asset = {**asset, "href": outward(href, base, place)} if isinstance(href, str) else asset
    else:
        asset = {**asset, "href": asset_href(record.path, place), "file:size": record.size}
        if record.sha256:
            asset["file:checksum"] = _digest(asset.get("file:checksum"), record)
    return _with_alternates(asset, base, place) if "alternate" in asset else asset


def _digest(published: object, record: Record) -> str:
    """The publisher's multihash where it was proven, ours where there is none that can be computed."""
    ours = "1220" + record.sha256
    if record.proof is not Proof.CHECKSUM or published in (None, ours):
        return ours
    known = checksum.parse(published)
    theirs = checksum.multihash(known.algorithm, known.digest) if known and known.usable else ours
    return theirs if theirs == published else ours


def _with_alternates(asset: JsonObject, base: str, place: DocumentLocation) -> JsonObject:
    alternates = asset["alternate"]
    if not isinstance(alternates, dict):
        return asset
    moved = {name: _asset(other, None, base, place) for name, other in alternates.items()}
    return {**asset, "alternate": moved}


def _declare_file_extension(body: JsonObject) -> None:
    """Declared by its URL also where the item's STAC is older than such URLs: readers take both."""
    declared = body.get("stac_extensions")
    listed = declared if isinstance(declared, list) else []
    if not any(isinstance(name, str) and name.startswith(_ANY_FILE_EXTENSION) for name in listed):
        body["stac_extensions"] = [*listed, FILE_EXTENSION]


def _links(item: Item, place: DocumentLocation) -> list[JsonObject]:
    root = relative(CATALOG_FILE, place.path)
    parent = relative(place.collection, place.path) if place.collection else root
    tied = [
        {"rel": "root", "href": root, "type": "application/json"},
        {"rel": "parent", "href": parent, "type": "application/json"},
    ]
    if place.collection and isinstance(item.body.get("collection"), str):
        tied.append({"rel": "collection", "href": parent, "type": "application/json"})
    listed = item.body.get("links")
    tied += origin_link(listed, item.href, place, "application/geo+json")
    return tied + list(links(listed, item.href, place))


class Fingerprinter:
    """Gives the seals of one run. `context`: what beside the item decides on documents, assets and places."""

    def __init__(self, *context: object) -> None:
        self._begun = blake2b(repr((__version__, *context)).encode("utf-8", "surrogatepass"), digest_size=16)

    def seal(self, item: Item, collection: str | None) -> str:
        """`collection` is the path of its collection's document. "" for an item whose JSON is too odd."""
        try:
            said = orjson.dumps((item.id, item.collection, item.href, collection, item.body))
        except TypeError:
            return ""
        digest = self._begun.copy()
        digest.update(said)
        return digest.hexdigest()
