"""Writes the files that list all items of a mirror (`--index`), again whenever the items have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ...core.checksum import CountedPieces
from ...core.errors import UsageError
from ...core.json_text import parse_json
from ...core.model import JsonObject, Record
from ...stac.index.geoparquet import libraries, write_geoparquet
from ...stac.index.listings import geojson_pieces, pair_pieces
from ...stac.index.rooted import WrittenItem
from ...storage.layout import GEOJSON_INDEX_FILE, INDEX_FILES, PAIRS_FILE, PARQUET_INDEX_FILE
from ...storage.ledger.database import Statements
from ...storage.ledger.rows import Row
from ...storage.ledger.schema import DONE, INDEX

if TYPE_CHECKING:
    from ...core.ports import DocumentStore

READ_BYTES = 1 << 20
KEPT_SOURCES = 1_000
"""Source items that are kept in memory: neighbouring label items often have the same."""


def refuse_without_libraries() -> None:
    """Raise `UsageError` where `--index` cannot work, before anything is fetched."""
    libraries()


def _has_libraries() -> bool:
    try:
        libraries()
    except UsageError:
        return False
    return True


class IndexFiles:
    """The index files of one mirror. Runs in the ledger's thread."""

    def __init__(self, store: DocumentStore, book: Statements) -> None:
        self._store = store
        self._book = book

    def update(self, *, wanted: bool) -> None:
        """Write the files if the items have changed. Not `wanted`: there are earlier ones to keep up."""
        known = self._book.index_files(INDEX_FILES)
        stamp = self._stamp()
        if {stamp} == {stamped for _, stamped in known.values()} and len(known) == len(INDEX_FILES):
            return
        if not wanted and not _has_libraries():
            return self._forget(known)
        items = {
            GEOJSON_INDEX_FILE: geojson_pieces(self._items()),
            PAIRS_FILE: pair_pieces(self._items(), lru_cache(KEPT_SOURCES)(self._document)),
            PARQUET_INDEX_FILE: self._parquet_pieces(),
        }
        rows = [self._write(name, pieces, stamp) for name, pieces in items.items()]
        self._store.sync_names(row[4] for row in rows)
        self._book.settle(rows)

    def _forget(self, known: dict[str, tuple[Record, str]]) -> None:
        """Remove the files of an earlier run: they would list other items than there are."""
        for record, _ in known.values():
            self._store.remove(record)
        self._book.forget_index(known)

    def _stamp(self) -> str:
        digest = hashlib.sha256()
        for path, sha256 in self._book.all_items():
            digest.update(f"{path} {sha256}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _items(self) -> Iterator[WrittenItem]:
        for path, _ in self._book.all_items():
            if (body := self._document(path)) is not None:
                yield WrittenItem(path, body)

    def _document(self, path: str) -> JsonObject | None:
        """A document of the mirror; None for one that somebody removed or spoilt, which `verify` reports."""
        try:
            body = parse_json(self._store.read_document(path))
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) else None

    def _parquet_pieces(self) -> Iterator[bytes]:
        """The bytes of items.parquet, which is made in a temporary file: its writer needs one."""
        made = self._store.temporary_path(PARQUET_INDEX_FILE)
        try:
            with made.open("x+b") as file:  # open until it is read: a run that begins may remove its name
                write_geoparquet(file, self._items, self._collections())
                file.seek(0)
                while piece := file.read(READ_BYTES):
                    yield piece
        finally:
            made.unlink(missing_ok=True)

    def _collections(self) -> dict[str, JsonObject]:
        paths = {name: self._book.path_of(name) for name, *_ in self._book.collections()}
        found = {name: self._document(path) for name, path in paths.items() if path is not None}
        return {name: body for name, body in found.items() if body is not None}

    def _write(self, name: str, pieces: Iterable[bytes], stamp: str) -> Row:
        counted = CountedPieces(pieces)
        mtime_ns = self._store.put_pieces(name, counted)
        facts = (counted.size, mtime_ns, counted.sha256, "none", "", stamp, "", "")
        return ("", "", INDEX, name, name, DONE, *facts)
