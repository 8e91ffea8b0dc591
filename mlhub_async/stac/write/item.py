"""The JSON of an item in the mirror: its links, and its assets with hrefs to the files on disk."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...core import checksum
from ...core.formats.directories import kind_of_directory
from ...core.json_text import dumps
from ...core.model import CATALOG_FILE, Folder, Item, JsonObject, Proof, Record, Stored
from .access import drop_access
from .encode import to_json
from .hrefs import (
    DocumentLocation,
    asset_href,
    kept_links,
    origin_link,
    outward_href,
    relative_href,
)
from .related import NO_PATHS, with_related
from .versions import readable_item

if TYPE_CHECKING:
    from .projection import Projection

FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
DOCUMENTS = 5
"""Grows when items are written otherwise than before: then an item that has not changed is written again."""
_ANY_FILE_EXTENSION = ("https://stac-extensions.github.io/file/", "file")


def item_json(
    item: Item,
    records: Mapping[str, Stored],
    location: DocumentLocation,
    projections: Mapping[str, Projection] | None = None,
    related: Mapping[int, str] = NO_PATHS,
) -> bytes:
    """The item as it came, with links of the mirror and with local assets where `records` has their key.

    `projections`: the grids of files, by asset key, which are added where the item has none. `related`: see
    `with_related`.
    On one line, since a catalogue may have a million items. Raises `TransferError` if the item holds a value
    that JSON cannot.
    """
    body = readable_item(item)
    body["links"] = _links(item, location, related)
    put_assets(body, records, item.href, location)
    if projections:
        from .projection import add_projections

        add_projections(body, projections)
    return to_json(body) + b"\n"


def put_assets(
    body: JsonObject, records: Mapping[str, Stored], base: str, location: DocumentLocation
) -> None:
    """Replace `assets` in `body`, and declare the file extension if it is used. Null becomes no assets.

    Of files that are there, what says how to open the original goes.
    """
    assets = body.get("assets", {})
    if assets is None:
        body["assets"] = {}
    if not isinstance(assets, dict) or not assets:
        return
    drop_access(body, records)
    folder = "" if location.base else location.path[: location.path.rfind("/") + 1]
    start = len(folder)
    written: JsonObject = {}
    has_files = False
    for key, asset in body["assets"].items():
        record = records.get(key)
        if type(record) is Record and type(asset) is dict:
            has_files = True
            if folder and record.path.startswith(folder) and "alternate" not in asset:
                written[key] = _file(asset, record, "./" + record.path[start:])
                continue
        written[key] = _asset(asset, record, base, location)
    body["assets"] = written
    if has_files:
        _declare_file_extension(body)


def _file(asset: JsonObject, record: Record, href: str) -> JsonObject:
    """The asset of a file that is in the mirror."""
    made = {**asset, "href": href, "file:size": record.size}
    if record.sha256:
        published = asset.get("file:checksum")
        made["file:checksum"] = "1220" + record.sha256 if published is None else _digest(published, record)
    return made


def _asset(asset: Any, record: Stored | None, base: str, location: DocumentLocation) -> Any:
    if not isinstance(asset, dict):
        return asset
    if record is None:
        href = asset.get("href")
        asset = {**asset, "href": outward_href(href, base, location)} if isinstance(href, str) else asset
    elif isinstance(record, Folder):
        asset = {**asset, "href": _folder_href(record, asset.get("type"), location)}
    else:
        asset = _file(asset, record, asset_href(record.path, location))
    return _with_alternates(asset, base, location) if "alternate" in asset else asset


def _folder_href(folder: Folder, media_type: object, location: DocumentLocation) -> str:
    """With a slash where nothing else tells that it is a directory."""
    href = asset_href(folder.path, location)
    return (
        href if kind_of_directory(href, media_type if isinstance(media_type, str) else None) else f"{href}/"
    )


def _digest(published: object, record: Record) -> str:
    """The publisher's multihash if the file was checked against it, else ours (SHA-256)."""
    ours = "1220" + record.sha256
    if record.proof is not Proof.CHECKSUM or published in (None, ours):
        return ours
    known = checksum.parse(published)
    theirs = checksum.multihash(known.algorithm, known.digest) if known and known.usable else ours
    return theirs if theirs == published else ours


def _with_alternates(asset: JsonObject, base: str, location: DocumentLocation) -> JsonObject:
    alternates = asset["alternate"]
    if not isinstance(alternates, dict):
        return asset
    moved = {name: _asset(other, None, base, location) for name, other in alternates.items()}
    return {**asset, "alternate": moved}


def _declare_file_extension(body: JsonObject) -> None:
    """By its URL, also in items of a STAC version older than such URLs: readers accept both."""
    declared = body.get("stac_extensions")
    listed = declared if isinstance(declared, list) else []
    for name in listed:
        if isinstance(name, str) and name.startswith(_ANY_FILE_EXTENSION):
            return
    body["stac_extensions"] = [*listed, FILE_EXTENSION]


def _links(item: Item, location: DocumentLocation, related: Mapping[int, str]) -> list[JsonObject]:
    root = ("../" * location.path.count("/") or "./") + CATALOG_FILE
    parent = relative_href(location.collection, location.path) if location.collection else root
    found = [
        {"rel": "root", "href": root, "type": "application/json"},
        {"rel": "parent", "href": parent, "type": "application/json"},
    ]
    if location.collection and isinstance(item.body.get("collection"), str):
        found.append({"rel": "collection", "href": parent, "type": "application/json"})
    listed = item.body.get("links")
    found += origin_link(listed, item.href, location, "application/geo+json")
    kept = list(kept_links(listed, item.href, location))
    return found + with_related(kept, related, item.href, location) if kept else found


class Fingerprinter:
    """Fingerprints of items for one run: an item with the same one needs no work.

    `context` is everything beside the item that decides about its document, its assets and their paths.
    """

    def __init__(self, *context: object) -> None:
        text = repr((__version__, DOCUMENTS, *context)).encode("utf-8", "surrogatepass")
        self._context_digest = blake2b(text, digest_size=16)

    def fingerprint(self, item: Item, collection: str | None) -> str:
        """The fingerprint of an item; "" for one that strict JSON cannot hold.

        `collection` is the path of its collection's document.
        """
        try:
            text = dumps((item.id, item.collection, item.href, collection, item.body))
            if item.directories:
                text += dumps([(key, one.digest) for key, one in item.directories.items()])
            if item.versions:
                text += dumps(list(item.versions.items()))
        except TypeError:
            return ""
        digest = self._context_digest.copy()
        digest.update(text)
        return digest.hexdigest()


def stored_assets(
    body: JsonObject, records: Mapping[str, Record], missing: Some[str] = ()
) -> Mapping[str, Stored]:
    """The records of the files of an owner, and the directories that are complete, by asset key.

    `missing`: the keys of selected assets that are not there.
    """
    assets = body.get("assets")
    if not isinstance(assets, dict) or assets.keys() <= records.keys():
        return records
    folders = dict(_folders(assets, records, missing))
    return {**records, **folders} if folders else records


def _folders(
    assets: JsonObject, records: Mapping[str, Record], missing: Some[str]
) -> Iterator[tuple[str, Folder]]:
    for key, asset in assets.items():
        href, media_type = (asset.get("href"), asset.get("type")) if isinstance(asset, dict) else (None, None)
        if key in records or not isinstance(href, str):
            continue
        if not kind_of_directory(href, media_type if isinstance(media_type, str) else None):
            continue
        prefix = f"{key}/"
        files = [(one, record) for one, record in records.items() if one.startswith(prefix)]
        paths = {_folder(record.path, one[len(prefix) :]) for one, record in files} - {""}
        if len(paths) == 1 and not any(one.startswith(prefix) for one in missing):
            yield key, Folder(paths.pop())


def _folder(path: str, member: str) -> str:
    """The directory in DEST that has `member` at `path`; "" for the file of another asset."""
    end = "/" + member.lstrip("/")
    return path.removesuffix(end) if path.endswith(end) else ""
