"""`verify()`: reads all files of a mirror in several threads, with bounded memory, and checks them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import TypeVar

from ...core.concurrency import ThreadPool, fan_out
from ...core.telemetry import Meter
from ...storage.layout import CATALOG_FILE
from ...storage.ledger.schema import ASSET, INDEX
from ...storage.naming import fold
from .checks import document_damage, file_damage, receipt_damage
from .results import Damage, Verification
from .snapshot import LEDGER, LedgerSnapshot, open_mirror
from .walk import ComparedPath, files_under, merge_listings, stored_kind

T = TypeVar("T")
CHUNK_FILES, CHUNK_BYTES = 64, 32 << 20
"""What one thread checks at a time: so many files, or fewer of at least so many bytes together."""


async def verify(
    dest: str | os.PathLike[str],
    *,
    workers: int | None = None,
    meter: Meter | None = None,
    deep: bool = False,
) -> Verification:
    """Check every file, every document and the receipt of a mirror, offline. Nothing in DEST is changed.

    `workers`: threads that read files; None: one per processor. `meter` counts files and bytes as they are
    checked. `deep`: the structure of files is checked too, so that files that were already damaged when they
    were fetched are found.

    Damage is in the result, not raised. Raises `UsageError` if there is no mirror at `dest`, `StorageError`
    if its ledger cannot be read.

        >>> found = await mlhub_async.verify("mirror")
        >>> found.ok, found.damage
        (True, [])
    """
    found, dest = Verification(), Path(dest)
    try:
        with open_mirror(dest) as snapshot:
            found.interrupted = not snapshot.finished
            await _Verifier(dest, snapshot, found, meter or Meter(), deep=deep).run(
                workers or os.cpu_count() or 1
            )
    except sqlite3.DatabaseError as error:
        found.damage.append(Damage(LEDGER, "unreadable", str(error)))
    found.damage.sort(key=lambda damage: damage.path)
    return found


class _Verifier:
    """One verification. Only `_ledger_thread` reads the ledger and walks the directories."""

    def __init__(
        self, dest: Path, snapshot: LedgerSnapshot, found: Verification, meter: Meter, *, deep: bool
    ) -> None:
        self._dest = dest
        self._snapshot = snapshot
        self._found = found
        self._meter = meter
        self._deep = deep
        self._stop = Event()
        self._documents: set[str] = set()
        self._respelled: set[str] = set()

    async def run(self, workers: int) -> None:
        with ThreadPool(1) as self._ledger_thread, ThreadPool(workers) as self._pool:
            try:
                self._documents = await self._run_in(self._ledger_thread, self._known_documents)
                await fan_out(self._put_chunks, self._check_chunk, workers)
                self._forget_respelled()
                await self._run_in(self._ledger_thread, self._check_receipt)
            finally:
                self._stop.set()

    async def _run_in(self, pool: ThreadPool, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    def _known_documents(self) -> set[str]:
        """Paths of documents that belong to the mirror even if the ledger has no digest of them."""
        statements = self._snapshot.statements
        paths = (statements.path_of(id) for id, *_ in statements.collections())
        return {CATALOG_FILE, *filter(None, paths)}

    async def _put_chunks(self, put: Callable[[list[ComparedPath]], Awaitable[None]]) -> None:
        rows, files = self._snapshot.statements.finished(), files_under(self._dest)
        chunks = _chunks(merge_listings(rows, files, self._ask))
        while chunk := await self._run_in(self._ledger_thread, lambda: next(chunks, None)):
            await put(chunk)

    def _ask(self, path: str) -> bool | None:
        """See `stored_kind`; notes the paths that a directory lists in another spelling."""
        if (kind := stored_kind(self._dest, path)) is not None:
            self._respelled.add(fold(path))
        return kind

    def _forget_respelled(self) -> None:
        """What is listed in another spelling than the ledger's is part of the mirror."""
        if self._respelled:
            ours = self._respelled | {fold(path) for path in self._documents}
            self._found.foreign = [path for path in self._found.foreign if fold(path) not in ours]

    async def _check_chunk(self, chunk: list[ComparedPath]) -> None:
        recorded = [compared for compared in chunk if compared.record is not None]
        documents = [
            compared.path
            for compared in chunk
            if compared.record is None and compared.path in self._documents
        ]
        self._found.foreign += [p.path for p in chunk if p.record is None and p.path not in self._documents]
        self._documents.difference_update(compared.path for compared in chunk)
        self._meter.selected += len(recorded)
        damage = await self._run_in(self._pool, lambda: self._check(recorded, documents))
        self._found.damage += damage
        self._count(recorded, len(damage))

    def _check(self, recorded: list[ComparedPath], documents: list[str]) -> list[Damage]:
        """In a thread of the pool."""
        checked = [self._damage(compared) for compared in recorded]
        checked += [document_damage(self._dest, path) for path in documents]
        return [damage for damage in checked if damage is not None]

    def _damage(self, compared: ComparedPath) -> Damage | None:
        """Documents are written before their ledger rows: after a kill the recorded digest may be old."""
        is_stable = self._snapshot.finished and not self._snapshot.renaming
        if compared.role == INDEX and compared.is_file and not is_stable:
            return None
        if compared.role != ASSET and compared.is_file and not is_stable:
            return document_damage(self._dest, compared.path)
        return file_damage(self._dest, compared, self._stop, deep=self._deep)

    def _count(self, recorded: list[ComparedPath], damaged: int) -> None:
        records = [compared.record for compared in recorded if compared.record is not None]
        size = sum(record.size for record in records)
        self._found.files += len(recorded)
        self._found.bytes += size
        self._found.unhashed += sum(not record.sha256 for record in records)
        self._meter.failed += damaged
        self._meter.fetched += max(len(recorded) - damaged, 0)
        self._meter.bytes += size

    def _check_receipt(self) -> None:
        """Check the receipt, and report a missing root catalogue: neither ledger nor disk has one."""
        receipt, damage = receipt_damage(self._dest, self._snapshot)
        gone = CATALOG_FILE in self._documents and stored_kind(self._dest, CATALOG_FILE) is None
        if gone and receipt is not None and receipt.get("exit_code") == 0:
            damage.append(Damage(CATALOG_FILE, "missing"))
        self._found.receipt = receipt
        self._found.damage += damage


def _chunks(compared_paths: Iterable[ComparedPath]) -> Iterator[list[ComparedPath]]:
    chunk: list[ComparedPath] = []
    size = 0
    for compared in compared_paths:
        chunk.append(compared)
        size += compared.record.size if compared.record else 0
        if len(chunk) >= CHUNK_FILES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
