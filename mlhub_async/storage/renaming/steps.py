"""Renames the files of a mirror of an earlier version, before its next run: nothing is fetched again.

In this order: the journal; each file; the documents, for their hrefs; the receipt, for its manifest. A run
that is killed in between leaves a mirror that `verify` finds intact, and the next one goes on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from ...core.errors import LocalShortage, TransferError
from ...core.json_text import dumps, loads
from ..integrity import open_unfollowed
from ..layout import RECEIPT_FILE, in_state
from ..ledger.database import Statements
from . import journal
from .journal import Step

BATCH = 500
"""Files that are renamed before the ledger notes it."""


class RenamingStore(Protocol):
    """What a renaming needs of the store."""

    root: Path

    def rename(self, old: str, new: str) -> bool: ...

    def put_pieces(self, path: str, pieces: Iterable[bytes]) -> int: ...

    def remove_empty_directories(self, paths: Iterable[str]) -> None: ...

    def sync_names(self, paths: Iterable[str]) -> None: ...


def rename_files(book: Statements, store: RenamingStore) -> None:
    """Do what the journal says. Raises `StorageError`."""
    try:
        _rename_pending(book, store)
    except LocalShortage as error:
        raise error.as_fatal() from None
    _write_documents(book, store)
    _write_receipt(book, store)
    store.remove_empty_directories(journal.steps(book.database))
    journal.end(book)


def _rename_pending(book: Statements, store: RenamingStore) -> None:
    while rows := journal.pending(book.database, BATCH):
        done: list[Step] = []
        kept: list[Step] = []
        for step in rows:
            (kept if _is_blocked(store, step) else done).append(step)
        store.sync_names(step.new for step in done if os.path.lexists(store.root / step.new))
        journal.record(book, done, kept)


def _is_blocked(store: RenamingStore, step: Step) -> bool:
    """Rename one file; true if it keeps its old name, as something else has the new one."""
    if not os.path.lexists(store.root / step.old):
        return False  # it is renamed already, or gone
    try:
        return not store.rename(step.old, step.new)
    except TransferError:
        return True


def _write_documents(book: Statements, store: RenamingStore) -> None:
    rewriting = _Rewriting(store, journal.steps(book.database))
    rows = journal.documents(book.database)
    for start in range(0, len(rows), BATCH):
        # The digests first: so a run that goes on after a kill knows its own documents from changed ones.
        some = [(row, sha256) for row in rows[start : start + BATCH] if (sha256 := rewriting.digest_of(row))]
        with book.transaction():
            for row, sha256 in some:
                journal.settle_document(book, row._replace(sha256=sha256))
        written = [rewriting.write(row) for row, _ in some]
        with book.transaction():
            for row in filter(None, written):
                journal.settle_document(book, row)


class _Rewriting:
    """Writes documents with the new paths. What is missing or was changed by others is left to the run."""

    def __init__(self, store: RenamingStore, moved: dict[str, str]) -> None:
        self._store = store
        self._moved = moved
        self._old = {new: old for old, new in moved.items()}
        self._root = str(store.root.resolve())

    def digest_of(self, row: journal.DocumentRow) -> str:
        """The digest that the document will have; "" for one that is not as it was written."""
        try:
            before, after = hashlib.sha256(), hashlib.sha256()
            with self._open(row.path) as file:
                for line in file:
                    before.update(line)
                    after.update(self._rewritten(line, row.path))
        except OSError:
            return ""
        return after.hexdigest() if row.sha256 in (before.hexdigest(), after.hexdigest()) else ""

    def write(self, row: journal.DocumentRow) -> journal.DocumentRow | None:
        digest, size = hashlib.sha256(), 0

        def pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
            nonlocal size
            for line in lines:
                piece = self._rewritten(line, row.path)
                digest.update(piece)
                size += len(piece)
                yield piece

        try:
            with self._open(row.path) as file:
                mtime_ns = self._store.put_pieces(row.path, pieces(file))
        except (OSError, TransferError):
            return None
        return row._replace(size=size, mtime_ns=mtime_ns, sha256=digest.hexdigest())

    def _open(self, path: str) -> BufferedReader:
        return BufferedReader(open_unfollowed(self._store.root / path))

    def _rewritten(self, line: bytes, path: str) -> bytes:
        from .hrefs import with_new_hrefs

        return with_new_hrefs(line, self._old.get(path, path), path, self._moved, self._root)


def _write_receipt(book: Statements, store: RenamingStore) -> None:
    """Give the receipt of the last run the manifest with the new names, if it is the one of that run."""
    run = journal.last_run(book.database)
    path = in_state(RECEIPT_FILE)
    try:
        receipt = loads((store.root / path).read_bytes())
    except (OSError, ValueError):
        return
    if not isinstance(receipt, dict) or receipt.get("manifest_sha256") != journal.old_manifest(
        book.database, run
    ):
        return
    receipt["manifest_sha256"] = book.manifest(run)
    store.put_pieces(path, [dumps(receipt, indent=True) + b"\n"])
    store.sync_names([path])
