"""The lines of a lockfile (NDJSON): a header, then what is known of each document and each file.

Lines are in the order of collection, item and path, an item's document before its files: two lockfiles of
one dataset differ in the lines of what differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from ....core.errors import SourceError, TransferError
from ....core.json_text import encode_json
from ....core.model import NOTHING, JsonObject
from ....core.urls import term_safe
from ....storage.layout import CATALOG_FILE, STATE_DIR
from ....storage.naming import fold, is_plain_path

MARK = "mlhub-async-lock"
"""The member of the header whose value is the format of the file."""
FORMAT = 1
_is_digest = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch


class Header(NamedTuple):
    """What a lockfile is of. `manifest_sha256` is that of the receipt, `size` that of all files, in bytes."""

    source: str
    manifest_sha256: str
    files: int
    size: int
    about: Mapping[str, Any] = NOTHING
    """further members: the selection, the time of the run, the program"""

    def line(self) -> bytes:
        known = {"source": self.source, "manifest_sha256": self.manifest_sha256}
        counts = {"files": self.files, "bytes": self.size}
        return encode_json({MARK: FORMAT, **self.about, **known, **counts}) + b"\n"


class LockedDocument(NamedTuple):
    """The document of an item, or of a collection (`item` ""), without what the lines of files say."""

    collection: str
    item: str
    document: JsonObject

    def line(self) -> bytes:
        return encode_json(self._asdict()) + b"\n"


class LockedFile(NamedTuple):
    """One file: its path in DEST, size in bytes and SHA-256; the asset that it is; where it was fetched from.

    `href` is "" where that is not known; `alternates` are other addresses that the catalogue names.
    `validator` is the ETag or Last-Modified of the response that it came from, or "". `directory` is the key
    of the asset that it is a file of, where that is a directory, such as a Zarr store: `key` begins with it.
    """

    path: str
    size: int
    sha256: str
    collection: str
    item: str
    key: str
    href: str = ""
    alternates: tuple[str, ...] = ()
    validator: str = ""
    directory: str = ""

    def line(self) -> bytes:
        members = self._asdict().items()
        return (
            encode_json({name: value for name, value in members if value or name in ("size", "key")}) + b"\n"
        )

    @property
    def member(self) -> str:
        """Its path in its directory."""
        return self.key[len(self.directory) :].lstrip("/")

    @property
    def place(self) -> tuple[str, str, str]:
        """By which the lines of files are in order."""
        return (self.collection, self.item, self.path)


Row = LockedDocument | LockedFile


def parse_header(record: object, where: str) -> Header:
    """Raises `SourceError` for what is none, or of a newer format."""
    if not isinstance(record, dict) or MARK not in record:
        raise SourceError(
            f"{where} is no lockfile: its first line has no {MARK!r}; 'mlhub-async lock DEST' writes one",
            kind="not-lock",
        )
    if record[MARK] != FORMAT:
        version = term_safe(str(record[MARK]))
        raise SourceError(f"{where} has the format {version}: use a newer mlhub-async", kind="not-lock")
    members = {**record}
    del members[MARK]
    try:
        known = [members.pop(name) for name in ("source", "manifest_sha256", "files", "bytes")]
    except KeyError as missing:
        raise SourceError(f"{where}: its header has no {missing}", kind="not-lock") from None
    source, manifest, files, size = known
    if not isinstance(source, str) or not _is_sha256(manifest) or not (_is_count(files) and _is_count(size)):
        raise SourceError(f"{where}: its header was changed; write it anew", kind="not-lock")
    return Header(source, manifest, files, size, members)


def parse_row(record: Any, where: str) -> Row:
    """One of the other lines. Raises `TransferError`, which says what is wrong with it."""
    if not isinstance(record, dict):
        raise _bad(where, "is not a JSON object")
    named = [record.get(name, "") for name in ("collection", "item")]
    if not all(isinstance(one, str) for one in named) or not named[0]:
        raise _bad(where, "names no collection")
    collection, item = named
    if "document" in record:
        if not isinstance(record["document"], dict):
            raise _bad(where, "has a document that is no JSON object")
        return LockedDocument(collection, item, record["document"])
    path, size, sha256, key = (record.get(name) for name in ("path", "size", "sha256", "key"))
    if not isinstance(path, str) or not is_safe_path(path):
        raise _bad(where, f"has a path that cannot be used: {term_safe(str(path), 200)}")
    if not (_is_count(size) and _is_sha256(sha256) and isinstance(key, str)):
        raise _bad(where, "lacks size, sha256 or key")
    directory = record.get("directory", "")
    if not isinstance(directory, str):
        raise _bad(where, "names a directory that is no text")
    row = LockedFile(path, size, sha256, collection, item, key, *_addresses(record, where), directory)
    if directory and not (key.startswith(f"{directory}/") and path.endswith(f"/{row.member}")):
        raise _bad(where, "names a directory that its key and path are not of")
    return row


def _addresses(record: JsonObject, where: str) -> tuple[str, tuple[str, ...], str]:
    href, others, validator = (
        record.get(name, empty) for name, empty in (("href", ""), ("alternates", []), ("validator", ""))
    )
    texts = [href, validator, *others] if isinstance(others, list) else [None]
    if not all(isinstance(one, str) for one in texts):
        raise _bad(where, "has addresses that are no texts")
    return href, tuple(others), validator


def is_safe_path(path: str) -> bool:
    """Whether a path stays in DEST on every file system, and is none of the mirror's own files."""
    first = fold(path.partition("/")[0])
    own = first in (STATE_DIR, CATALOG_FILE)
    return bool(path) and "" not in path.split("/") and not own and is_plain_path(path)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_sha256(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(_is_digest(value))


def _bad(where: str, what: str) -> TransferError:
    return TransferError(f"{where} {what}", kind="bad-record")
