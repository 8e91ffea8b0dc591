"""The ledger for the event loop: statements go to its executor, records to the write-ahead log at once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from ...core.concurrency import run_to_end
from ...core.errors import DiskFull
from ...core.model import Record
from ..inline import DiskWork
from ..layout import LEDGER_FILE
from ..os_errors import state_error
from .claims.assignment import ClaimRequest, ClaimResult
from .claims.planned import PlannedRows
from .database import Statements
from .executor import StatementExecutor
from .log_appends import LogAppends
from .rows import Row, rows_of
from .schema import DONE, connect, ledger_error
from .write_behind import GroupCommit, Update, WriteAheadLog

if TYPE_CHECKING:
    from ...core.ports import Place, Settled
    from .lookups.unchanged import ItemFingerprint, UnchangedItem

T = TypeVar("T")

BRIEF_ROWS = 2_000
"""A call for more rows takes more than 10 ms of CPU."""
FAST_COMMIT = 0.005
"""Seconds that a commit of one row takes at most on a disk whose statements may run in the event loop."""
CHECKPOINT_ROWS = 20_000
"""SQLite's write-ahead log has about 10 MB then."""


class LedgerStore(Protocol):
    """What the ledger needs of the store whose files it records; see `ports` and `LocalStore`."""

    @property
    def disk(self) -> DiskWork: ...

    @property
    def is_synced(self) -> bool:
        """Whether files and their names survive a power cut: `put` and `sync_names` then take long."""

    @property
    def put_document(self) -> Callable[[str, bytes], Awaitable[int]] | None:
        """Writes a document where that takes more than brief work for a disk; None: `put` is as brief."""

    def put(self, path: str, data: bytes) -> int: ...

    def sync_names(self, paths: Iterable[str]) -> None: ...

    def is_unchanged(self, path: str, size: int, mtime_ns: int) -> bool: ...

    async def wait_for_space(self, full: DiskFull) -> None: ...


class Ledger:
    """Owns the database, its executor and the write-ahead log. `open` it, then `close` it, in one loop."""

    def __init__(self, state: Path, store: LedgerStore) -> None:
        """`state`: the directory of the database; the paths of files are those of `store`."""
        self._state = state
        self._store = store
        self._executor = StatementExecutor(store.disk)
        self._appends = LogAppends(self._append_lines, store.disk)
        self._batches = GroupCommit(
            self._start_commit,
            self._rotate_log,
            self._appends.when_quiet,
            self._translate_error,
            store.wait_for_space,
        )
        self.backpressure = self._batches.backpressure
        self.resumed = False
        self._touched_rows = 0
        """rows written since the last checkpoint, about"""

    @property
    def path(self) -> Path:
        """The file of the database."""
        return self._state / LEDGER_FILE

    async def open(
        self,
        source: str,
        selection: str,
        started: str,
        prepare: Callable[[Statements], None] = lambda _: None,
    ) -> None:
        """`prepare` is called in the ledger's thread before the run begins.

        Raises `StorageError`, or `UsageError` for a ledger of a newer program.
        """
        try:
            self._log = WriteAheadLog(self._state)
        except OSError as error:
            self._executor.close()
            raise state_error(error, self._state) from None
        opened: list[Statements] = []
        try:
            await self._call(lambda: opened.append(self._open(source, selection, started, prepare)))
        except BaseException:
            # After a cancellation the thread may still be opening the database: discard that run afterwards.
            self._executor.start(partial(_discard_run, opened))
            self._executor.close()
            self._log.close()
            raise
        (self._book,) = opened
        if self._commits_fast:
            self._executor.allow_inline(self._book.database)

    def _open(
        self, source: str, selection: str, started: str, prepare: Callable[[Statements], None]
    ) -> Statements:
        database = connect(self.path, full_sync=self._store.is_synced)
        try:
            book = Statements(database, self._store.is_unchanged, PlannedRows())
            if left := self._log.uncommitted():
                book.recover([row for row in left if self._is_current(row)])
                self._log.clear()
            prepare(book)
            self.resumed = book.begin_run(source, selection, started)
            self._commits_fast = not self._store.is_synced and book.trial_commit() < FAST_COMMIT
        except BaseException:
            database.close()
            raise
        return book

    def _is_current(self, row: Row) -> bool:
        """Whether the file of a row in the log is as recorded: after a power cut a line may have survived its
        file, or be older than rows that were committed."""
        return row[5] != DONE or self._store.is_unchanged(row[4], row[6], row[7])

    async def _call(self, call: Callable[[], T], *, brief: bool = False) -> T:
        """Let the executor call, again after each wait for space: `call` does all or nothing."""
        while True:
            try:
                return await self._executor.submit(call, brief=brief)
            except (sqlite3.Error, OSError, DiskFull) as error:
                failure = self._translate_error(error)
            if not isinstance(failure, DiskFull):
                raise failure
            await self._store.wait_for_space(failure)

    def _translate_error(self, error: BaseException) -> BaseException:
        path = self.path
        if isinstance(error, OSError):
            return state_error(error, error.filename or path)
        return ledger_error(path, error) if isinstance(error, sqlite3.Error) else error

    async def query(self, question: Callable[[Statements], T]) -> T:
        """Ask in the ledger's thread, after the commits that have begun."""
        return await self._call(lambda: question(self._book))

    async def ask(self, question: Callable[[Statements], T]) -> T:
        """The same for a question about one row or a few, which a fast disk answers in the event loop."""
        return await self._brief_query(question)

    async def _brief_query(self, question: Callable[[Statements], T], rows: int = 1) -> T:
        """The same for a question about a few `rows`: a fast disk answers it in the event loop."""
        self._touched_rows += rows
        found = await self._call(lambda: question(self._book), brief=rows <= BRIEF_ROWS)
        self._checkpoint_if_due()
        return found

    async def claim(self, wanted: Sequence[ClaimRequest]) -> list[ClaimResult | None]:
        """See `Statements.claim`."""
        await self._batches.retry_failed()
        return await self._brief_query(
            lambda book: book.claim(wanted), sum(len(one.assets) + 1 for one in wanted)
        )

    async def confirm(self, asked: Sequence[ItemFingerprint]) -> list[UnchangedItem | None]:
        """See `Statements.confirm`."""
        await self._batches.retry_failed()
        return await self._brief_query(lambda book: book.confirm(asked), len(asked))

    async def find(self, url: str) -> Record | None:
        """See `Statements.find`."""
        return await self._brief_query(lambda book: book.find(url))

    async def first_time(self, urls: list[str]) -> list[str]:
        """See `Statements.first_time`."""
        return await self._brief_query(lambda book: book.first_time(urls), len(urls))

    async def move(self, identity: tuple[str, str, str], path: str) -> str:
        """See `Statements.move`."""
        return await self._brief_query(lambda book: book.move(identity, path))

    async def record(self, batch: Sequence[Settled], place: Place | None = None) -> Sequence[Settled]:
        """Record outcomes of jobs: at once in the write-ahead log, with the next commit in the database.

        For `place`, and what is returned, see `ports.Settle`. Waits while the disk is full. Raises
        `StorageError` if it does not take the lines.
        """
        rows = rows_of(batch)
        while True:
            recording = self._record(rows, batch, place)
            try:
                return await (recording if self._appends.inline else run_to_end(recording))
            except DiskFull as full:
                await self._store.wait_for_space(full)

    async def _record(
        self, rows: Sequence[Row], batch: Sequence[Settled], place: Place | None
    ) -> Sequence[Settled]:
        await self._appends.append(rows)
        placed = [True] * len(batch) if place is None else []
        try:
            if place is not None:
                for step in place([outcome for outcome, _ in batch]):
                    placed += step
                    if not self._store.disk.fast:
                        await asyncio.sleep(0)  # each name may take long: others have a turn in between
        finally:
            self._batches.add(list(compress(rows, placed)))
            self._appends.release()
        return list(compress(batch, placed))

    async def record_document(
        self, identity: tuple[str, str, int, str], path: str, data: bytes, digest: str, fingerprint: str = ""
    ) -> None:
        """Write the document of an item, and record it with the next batch.

        `fingerprint`: see `unchanged`; "" for an item that is not complete. Where files are synced, the
        document is written in the ledger's thread, else where it suits the disk. Raises `TransferError`
        where something is in its way.
        """
        put = partial(self._put, identity, path, data, digest, fingerprint)
        if (put_document := self._store.put_document) is not None:
            mtime_ns = await put_document(path, data)
            row = _document_row(identity, path, data, mtime_ns, digest, fingerprint)
        elif self._store.is_synced:
            row = await self.query(lambda _: put())
            await self.query(lambda _: self._store.sync_names([path]))
        else:
            row = await self._put_when_space(put)
        self._batches.add([row])

    async def _put_when_space(self, put: Callable[[], Row]) -> Row:
        while True:
            try:
                return await self._store.disk.run(put)
            except DiskFull as full:
                await self._store.wait_for_space(full)

    def _put(
        self, identity: tuple[str, str, int, str], path: str, data: bytes, digest: str, fingerprint: str
    ) -> Row:
        mtime_ns = self._store.put(path, data)
        return _document_row(identity, path, data, mtime_ns, digest, fingerprint)

    def record_unchanged_document(
        self, identity: tuple[str, str, int, str], document: Record, fingerprint: str
    ) -> None:
        """Record the fingerprint for a document that is still as an earlier run wrote it."""
        path, size, digest, mtime_ns, *_ = document
        row = (*identity, path, DONE, size, mtime_ns, digest, "none", "", fingerprint, "", "")
        self._batches.add([row])

    def enqueue(self, update: Update) -> None:
        """Make an update with the next batch."""
        self._batches.enqueue(update)

    def _checkpoint_if_due(self) -> None:
        """Bound SQLite's write-ahead log. In the thread: a checkpoint waits for the disk."""
        if self._touched_rows >= CHECKPOINT_ROWS:
            self._touched_rows = 0
            self._executor.start(self._book.checkpoint_some)

    def _append_lines(self, rows: Sequence[Row]) -> None:
        self._log.append(rows)

    def _rotate_log(self) -> int:
        return self._log.rotate()

    def _start_commit(self, rows: list[Row], updates: list[Update], number: int) -> asyncio.Future[None]:
        self._touched_rows += len(rows)
        commit = partial(self._commit, rows, updates, number)
        committed = self._executor.submit(commit, brief=len(rows) <= BRIEF_ROWS)
        self._checkpoint_if_due()
        return committed

    def _commit(self, rows: list[Row], updates: list[Update], number: int) -> None:
        """Names of files are synced before their rows are written."""
        self._store.sync_names(row[4] for row in rows if row[5] == DONE)
        self._book.settle(rows, updates)
        self._log.clear(number)

    async def flush(self) -> None:
        """Return when everything recorded so far is in the database, and so is what was claimed."""
        await self._batches.flush()
        await self._call(self._book.write_planned)

    async def close(self) -> None:
        """Flush, checkpoint SQLite's log and end the thread; in this order, whatever fails."""
        try:
            await self.flush()
        finally:
            self._batches.cancel_timer()
            try:
                await self._call(self._book.checkpoint)
            finally:
                self._executor.start(self._book.close)
                self._executor.close()
                self._log.close()


def _document_row(
    identity: tuple[str, str, int, str], path: str, data: bytes, mtime_ns: int, digest: str, fingerprint: str
) -> Row:
    return (*identity, path, DONE, len(data), mtime_ns, digest, "none", "", fingerprint, "", "")


def _discard_run(opened: list[Statements]) -> None:
    for book in opened:
        try:
            book.forget_run()
        finally:
            book.close()
