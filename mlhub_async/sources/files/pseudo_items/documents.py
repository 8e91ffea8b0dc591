"""Items and a collection for files that no STAC describes: valid STAC, with what the listing says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from operator import attrgetter

from ....core.formats.kinds import media_type_of
from ....core.model import JsonObject
from ..listing import FileEntry, FileListing
from .grouping import FileGroup

STAC_VERSION = "1.0.0"
FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
SEPARATOR = "__"
"""In the id of an item between the folders of its path: readers and file systems refuse slashes in ids."""
_is_ambiguous = re.compile(r"(?:\A|.*/)(?:_[^/]*|[^/]*_|[^/]*__[^/]*|)(?:/.*)?", re.DOTALL).fullmatch
_modified_of = attrgetter("modified")
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"


def collection_of(listing: FileListing) -> JsonObject:
    """The collection of a listing. Its extent is left to whoever knows the items."""
    given = {name: value for name, value in listing.about.items() if value}
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": listing.collection,
        "description": f"The files of {listing.where}.",
        "license": "other",
        **given,
        "links": [],
    }


def item_of(group: FileGroup, listing: FileListing) -> JsonObject:
    """The item of a group. Its assets have the names of the files as their keys.

    `datetime` is the time of the newest file, as an item needs one: it is no time of acquisition.
    """
    newest = max(map(_modified_of, group.files), default="") or listing.about.get("updated", "")
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [FILE_EXTENSION],
        "id": item_id(group.path, listing.collection),
        "collection": listing.collection,
        "geometry": None,
        "properties": {"title": group.path or listing.collection, "datetime": newest or _UNKNOWN_DATE},
        "links": [],
        "assets": _assets_of(group.files),
    }


def item_id(path: str, collection: str) -> str:
    """The id of the item for a path. Paths that would give one id are told apart by a hash."""
    if not path:
        return collection
    flat = path.replace("/", SEPARATOR)
    if not _is_ambiguous(path) and path != collection:
        return flat
    return f"{flat}~{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def _assets_of(files: Iterable[FileEntry]) -> JsonObject:
    """The assets by key: the last component of the file's own key."""
    assets = {}
    for file in files:
        key = file.key
        name = key[key.rstrip("/").rfind("/") + 1 :] or key
        assets[name] = _asset_of(file, name)
    return assets


def _asset_of(file: FileEntry, name: str) -> JsonObject:
    """The asset of a file, with the fields that the listing gives. The URL of a file in a repository has no
    extension: that of its name tells the media type."""
    _, size, url, etag, modified, checksum, git_blob, tier, refused = file
    asset: JsonObject = {"href": url}
    stem, dot, end = name.rpartition(".")
    if stem and (media_type := media_type_of(dot + end)):
        asset["type"] = media_type
    if size is not None:
        asset["file:size"] = size
    if checksum:
        asset["file:checksum"] = checksum
    if git_blob:
        asset["git:blob"] = git_blob
    if modified:
        asset["updated"] = modified
    if etag:
        asset["etag"] = etag
    if tier:
        asset["storage:tier"] = tier
    if (tier or refused) and (unavailable := file.unavailable):
        asset["unavailable"] = unavailable
    return asset
