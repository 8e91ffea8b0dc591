"""Files that describe a mirror as a dataset, and are written again when one of its files has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ... import __version__
from ...core.checksum import CountedPieces
from ...core.errors import TransferError
from ...core.json_text import parse_json
from ...core.model import JsonObject
from ...stac.index.croissant import CopiedFile
from ...storage.layout import ASSET_TABLE_FILE, CRATE_FILE, CROISSANT_FILE
from ...storage.ledger.database import Statements
from ...storage.ledger.rows import Row
from ...storage.ledger.schema import DONE, INDEX

if TYPE_CHECKING:
    from ...core.ports import DocumentStore


class Description:
    """The files `names` of one mirror. Runs in the ledger's thread. Memory does not grow with the files."""

    names: tuple[str, ...] = ()

    def __init__(self, store: DocumentStore, book: Statements) -> None:
        self._store = store
        self._book = book

    def update(self, name: str, source: str) -> None:
        """Write them if a file has changed. Raises `TransferError` where one cannot be written."""
        known = self._book.index_files(self.names)
        stamp = self._stamp(name, source)
        if {stamp} == {stamped for _, stamped in known.values()} and len(known) == len(self.names):
            return
        for path in self.names:
            if self._book.is_taken(path):
                raise TransferError(f"{path}: an asset has this path; give another -p", kind="exists")
        self._write_all(name, source, stamp)

    def _write_all(self, name: str, source: str, stamp: str) -> None:
        raise NotImplementedError

    def _stamp(self, name: str, source: str) -> str:
        digest = hashlib.sha256(f"{__version__} {name} {source}\n".encode("utf-8", "surrogateescape"))
        for one in self._files():
            if one.path != ASSET_TABLE_FILE:
                digest.update(f"{one.path} {one.size} {one.sha256}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _files(self) -> Iterator[CopiedFile]:
        """All files with a recorded digest but descriptions; those without have no proof either."""
        for _, record in self._book.finished():
            if record.sha256 and record.path not in (CROISSANT_FILE, CRATE_FILE):
                yield CopiedFile(record.path, record.size, record.sha256)

    def _collections(self) -> list[JsonObject]:
        paths = (self._book.path_of(name) for name, *_ in self._book.collections())
        return [body for path in paths if (body := self._document(path))]

    def _document(self, path: str | None) -> JsonObject:
        """A document of the mirror; {} for one that is not there, or that somebody spoilt."""
        try:
            body = parse_json(self._store.read_document(path)) if path is not None else {}
        except (OSError, ValueError):
            return {}
        return body if isinstance(body, dict) else {}

    def _write(self, name: str, pieces: Iterable[bytes], stamp: str) -> None:
        counted = CountedPieces(pieces)
        mtime_ns = self._store.put_pieces(name, counted)
        facts = (counted.size, mtime_ns, counted.sha256, "none", "", stamp, "", "")
        row: Row = ("", "", INDEX, name, name, DONE, *facts)
        self._store.sync_names([name])
        self._book.settle([row])
