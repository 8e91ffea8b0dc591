"""The ledger as the event loop sees it: claims by the batch, records that never wait for the disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from ...core.errors import DiskFull, StorageError
from ...core.model import Outcome, Record
from ..layout import LEDGER_FILE
from ..local.disk_space import retry_when_space
from .claims import ClaimRequest, ClaimResult
from .database import Statements
from .rows import Row, row_of
from .schema import DONE, connect, refused
from .unchanged import ItemFingerprint, UnchangedItem
from .write_behind import Fact, GroupCommit, WriteAheadLog

T = TypeVar("T")


class LedgerStore(Protocol):
    """What the ledger needs of the store whose files it records; see `ports` and `LocalStore`."""

    @property
    def is_synced(self) -> bool:
        """Whether files and their names survive a power cut: `put` and `sync_names` then take long."""

    def put(self, path: str, data: bytes) -> int: ...

    def sync_names(self, paths: Iterable[str]) -> None: ...

    def is_unchanged(self, path: str, size: int, mtime_ns: int) -> bool: ...

    async def wait_for_space(self, full: DiskFull) -> None: ...


class Ledger:
    """Owns the database, its thread and the journal. `open` first, `close` in the end, from one loop."""

    def __init__(self, state: Path, store: LedgerStore) -> None:
        """`state`: the directory of the database; the paths of files are those of `store`."""
        self._state = state
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mlhub-ledger")
        self._batches = GroupCommit(self._start_commit, self._turn, self._in_our_words, store.wait_for_space)
        self.backpressure = self._batches.backpressure
        self.resumed = False

    async def open(self, source: str, selection: str, started: str) -> None:
        """Raises `StorageError`, or `UsageError` for a ledger of a newer program."""
        try:
            self._journal = WriteAheadLog(self._state)
        except OSError as error:
            self._thread.shutdown()
            raise StorageError(f"{self._state}: {error.strerror}") from None
        opened: list[Statements] = []
        try:
            await self._call(lambda: opened.append(self._open(source, selection, started)))
        except BaseException:
            # After a cancellation the thread may still be opening the database: it goes on, and is undone.
            self._thread.submit(_undo, opened)
            self._thread.shutdown()
            self._journal.close()
            raise
        (self._book,) = opened

    def _open(self, source: str, selection: str, started: str) -> Statements:
        database = connect(self._state / LEDGER_FILE, full_sync=self._store.is_synced)
        try:
            book = Statements(database, self._store.is_unchanged)
            if left := self._journal.left():
                book.settle([row for row in left if self._holds(row)])
                self._journal.clear()
            self.resumed = book.begin_run(source, selection, started)
        except BaseException:
            database.close()
            raise
        return book

    def _holds(self, row: Row) -> bool:
        """Nothing orders the journal and the files on the disk: after a power cut a line may be there
        before its file, or again after later ones were committed."""
        return row[5] != DONE or self._store.is_unchanged(row[4], row[6], row[7])

    async def _call(self, call: Callable[[], T]) -> T:
        """In the ledger's thread; once more when there is room, so what is called does all or nothing."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await loop.run_in_executor(self._thread, call)
            except (sqlite3.Error, DiskFull) as error:
                failure = self._in_our_words(error)
            if not isinstance(failure, DiskFull):
                raise failure
            await self._store.wait_for_space(failure)

    def _in_our_words(self, error: BaseException) -> BaseException:
        return refused(self._state / LEDGER_FILE, error) if isinstance(error, sqlite3.Error) else error

    async def query(self, question: Callable[[Statements], T]) -> T:
        """Run a question in the ledger's thread, after everything that was recorded before it."""
        return await self._call(lambda: question(self._book))

    async def claim(self, wanted: Sequence[ClaimRequest]) -> list[ClaimResult | None]:
        """See `Book.claim`."""
        await self._batches.mend()
        return await self.query(lambda book: book.claim(wanted))

    async def confirm(self, asked: Sequence[ItemFingerprint]) -> list[UnchangedItem | None]:
        """See `Book.confirm`."""
        await self._batches.mend()
        return await self.query(lambda book: book.confirm(asked))

    async def find(self, url: str) -> Record | None:
        """See `Book.find`."""
        return await self.query(lambda book: book.find(url))

    async def first_time(self, urls: list[str]) -> list[str]:
        """See `Book.first_time`."""
        return await self.query(lambda book: book.first_time(urls))

    async def move(self, identity: tuple[str, str, str], path: str) -> str:
        """See `Book.move`."""
        return await self.query(lambda book: book.move(identity, path))

    def record(self, outcome: Outcome, url: str) -> Awaitable[None] | None:
        """Remember what became of a job: at once in the journal, with the next batch in the database.

        Returns something to await where the disk is full: nothing is remembered before. Raises
        `StorageError` where the disk does not take it.
        """
        row = row_of(outcome, url)
        try:
            self._journal.append(row)
        except DiskFull as full:
            return self._record_when_space(row, full)
        self._batches.add(row)
        return None

    async def _record_when_space(self, row: Row, full: DiskFull) -> None:
        await self._store.wait_for_space(full)
        await retry_when_space(self._store.wait_for_space, lambda: self._journal.append(row))
        self._batches.add(row)

    async def record_document(
        self, identity: tuple[str, str, int, str], path: str, data: bytes, digest: str, seal: str = ""
    ) -> None:
        """Put the document of an item in its place, and remember it with the next batch.

        `seal`: of an item that is complete, see `seals`.
        Where files are synced that happens in the ledger's thread, else here: it is a small file.
        Raises `TransferError` where something is in its way.
        """
        put = partial(self._put, identity, path, data, digest, seal)
        if self._store.is_synced:
            row = await self.query(lambda _: put())
            await self.query(lambda _: self._store.sync_names([path]))
        else:
            row = await retry_when_space(self._store.wait_for_space, put)
        self._batches.add(row)

    def _put(
        self, identity: tuple[str, str, int, str], path: str, data: bytes, digest: str, seal: str
    ) -> Row:
        mtime_ns = self._store.put(path, data)
        return (*identity, path, DONE, len(data), mtime_ns, digest, "none", "", seal, "", "")

    def seal(self, identity: tuple[str, str, int, str], document: Record, seal: str) -> None:
        """The same for a document that lies there as an earlier run wrote it."""
        path, size, digest, mtime_ns, *_ = document
        self._batches.add((*identity, path, DONE, size, mtime_ns, digest, "none", "", seal, "", ""))

    def enqueue(self, fact: Fact) -> None:
        """Something to do in the ledger's thread with the next batch."""
        self._batches.enqueue(fact)

    def _turn(self) -> int:
        return self._journal.turn()

    def _start_commit(self, rows: list[Row], told: list[Fact], number: int) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, self._commit, rows, told, number)

    def _commit(self, rows: list[Row], told: list[Fact], number: int) -> None:
        """In the ledger's thread. Where files are synced, so are their names, before a row speaks of them."""
        self._store.sync_names(row[4] for row in rows if row[5] == DONE)
        with self._book.transaction():
            self._book.settle(rows)
            for fact in told:
                fact(self._book)
        self._journal.clear(number)

    async def flush(self) -> None:
        """Return when everything recorded so far is in the database."""
        await self._batches.flush()

    async def close(self) -> None:
        """Flush, fold everything into one file and end the thread; in that order, whatever fails."""
        try:
            await self.flush()
        finally:
            self._batches.stop()
            try:
                await self._call(self._book.fold)
            finally:
                self._thread.submit(self._book.close)
                self._thread.shutdown(wait=True)
                self._journal.close()


def _undo(opened: list[Statements]) -> None:
    for book in opened:
        try:
            book.forget_run()
        finally:
            book.close()
