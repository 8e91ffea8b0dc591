"""Hides the re-reading of a whole mirror: files by several threads at once, with bounded memory."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TypeVar

from ...core.concurrency import fan_out
from ...core.telemetry import Meter
from ...storage.layout import CATALOG_FILE
from ...storage.ledger.schema import ASSET
from .checks import document_damage, file_damage, receipt_damage
from .results import Damage, Verification
from .snapshot import LEDGER, Past, reading
from .walk import Pair, files_under, march

T = TypeVar("T")
_FILES, _BYTES = 64, 32 << 20
"""How much is handed to a thread at once: many small files, or one large one."""


async def verify(
    dest: str | os.PathLike[str],
    *,
    workers: int | None = None,
    meter: Meter | None = None,
    deep: bool = False,
) -> Verification:
    """Prove a mirror offline: every file, every document, the receipt. Nothing in DEST is changed.

    `deep`: also that every file is built as its format promises, so one that came broken is found.

    Damage is in the result, never raised. Raises `UsageError` if there is no mirror at `dest`.
    """
    found, dest = Verification(), Path(dest)
    try:
        with reading(dest) as past:
            found.interrupted = not past.ended
            await _Proof(dest, past, found, meter or Meter(), deep=deep).run(workers or os.cpu_count() or 1)
    except sqlite3.DatabaseError as error:
        found.damage.append(Damage(LEDGER, "unreadable", str(error)))
    found.damage.sort(key=lambda damage: damage.path)
    return found


class _Proof:
    """One verification under way. `_scout` is the one thread that reads the ledger and walks the disk."""

    def __init__(self, dest: Path, past: Past, found: Verification, meter: Meter, *, deep: bool) -> None:
        self._dest = dest
        self._past = past
        self._found = found
        self._meter = meter
        self._deep = deep
        self._stop = Event()
        self._documents: set[str] = set()

    async def run(self, workers: int) -> None:
        with ThreadPoolExecutor(1) as self._scout, ThreadPoolExecutor(workers) as self._pool:
            try:
                self._documents = await self._in(self._scout, self._own_documents)
                await fan_out(self._march, self._work, workers)
                await self._in(self._scout, self._conclude)
            finally:
                self._stop.set()

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    def _own_documents(self) -> set[str]:
        """Documents that are ours even if the ledger should know no digest of them."""
        book = self._past.book
        paths = (book.path_of(id) for id, *_ in book.collections())
        return {CATALOG_FILE, *filter(None, paths)}

    async def _march(self, put: Callable[[list[Pair]], Awaitable[None]]) -> None:
        chunks = _chunks(march(self._past.book.finished(), files_under(self._dest)))
        while chunk := await self._in(self._scout, lambda: next(chunks, None)):
            await put(chunk)

    async def _work(self, chunk: list[Pair]) -> None:
        known = [pair for pair in chunk if pair.record is not None]
        ours = [pair.path for pair in chunk if pair.record is None and pair.path in self._documents]
        self._found.foreign += [p.path for p in chunk if p.record is None and p.path not in self._documents]
        self._documents.difference_update(pair.path for pair in chunk)
        self._meter.selected += len(known)
        damage = await self._in(self._pool, lambda: self._check(known, ours))
        self._found.damage += damage
        self._count(known, len(damage))

    def _check(self, known: list[Pair], ours: list[str]) -> list[Damage]:
        """In a thread of the pool."""
        checked = [self._damage(pair) for pair in known]
        checked += [document_damage(self._dest, path) for path in ours]
        return [damage for damage in checked if damage is not None]

    def _damage(self, pair: Pair) -> Damage | None:
        """Documents are written before the ledger is told: after a kill their digests say nothing."""
        if pair.role != ASSET and pair.is_file and not self._past.ended:
            return document_damage(self._dest, pair.path)
        return file_damage(self._dest, pair, self._stop, deep=self._deep)

    def _count(self, known: list[Pair], damaged: int) -> None:
        records = [pair.record for pair in known if pair.record is not None]
        size = sum(record.size for record in records)
        self._found.files += len(known)
        self._found.bytes += size
        self._found.unhashed += sum(not record.sha256 for record in records)
        self._meter.failed += damaged
        self._meter.fetched += max(len(known) - damaged, 0)
        self._meter.bytes += size

    def _conclude(self) -> None:
        """The receipt, and the root of the catalogue if neither ledger nor disk knew of one."""
        receipt, damage = receipt_damage(self._dest, self._past)
        if CATALOG_FILE in self._documents and receipt is not None and receipt.get("exit_code") == 0:
            damage.append(Damage(CATALOG_FILE, "missing"))
        self._found.receipt = receipt
        self._found.damage += damage


def _chunks(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    chunk: list[Pair] = []
    size = 0
    for pair in pairs:
        chunk.append(pair)
        size += pair.record.size if pair.record else 0
        if len(chunk) >= _FILES or size >= _BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
