"""Group commit of rows to the database, and the write-ahead log that keeps them until then."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ...core.errors import DiskFull
from ...core.json_text import dumps, loads
from ..layout import WRITE_AHEAD_LOG_FILES
from ..local.disk_space import WaitForSpace
from ..os_errors import state_error, write_whole
from .database import Statements
from .rows import ROW_FIELDS, Row

COMMIT_ROWS = 500
COMMIT_SECONDS = 0.2
"""Rows are committed when there are so many, or after so many seconds."""
MAX_BACKLOG_ROWS = 5_000
"""Rows that may wait before `backpressure` makes the workers wait too."""
Update = Callable[[Statements], None]
"""Changes the ledger, in its thread, as part of a commit."""


class GroupCommit:
    """Commits rows and updates in batches, one commit at a time; one that met a full disk is repeated.

    `commit` begins to write a batch, all or nothing, and returns a future. Its number is that of the log
    file with these rows: `rotate` returns it and lets the other file take over, once for each batch. A batch
    begins `when_quiet`: when the log has no lines whose rows were not added.
    """

    def __init__(
        self,
        commit: Callable[[list[Row], list[Update], int], asyncio.Future[None]],
        rotate: Callable[[], int],
        when_quiet: Callable[[Callable[[], object]], None],
        translate_error: Callable[[BaseException], BaseException],
        wait_for_space: WaitForSpace,
    ) -> None:
        self._commit = commit
        self._rotate = rotate
        self._when_quiet = when_quiet
        self._is_deferred = False
        self._translate_error = translate_error
        self._wait_for_space = wait_for_space
        self._rows: list[Row] = []
        self._updates: list[Update] = []
        self._batch: tuple[list[Row], list[Update], int] = ([], [], 0)
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    def add(self, rows: Sequence[Row]) -> None:
        self._rows += rows
        if self._timer is None or len(self._rows) >= COMMIT_ROWS:
            self._schedule()

    def enqueue(self, update: Update) -> None:
        self._updates.append(update)
        self._schedule()

    def backpressure(self) -> Awaitable[None] | None:
        """What to await if too many rows wait or a commit met a full disk; raises any other failure."""
        self._raise_failure()
        return self.flush() if self._failure is not None or len(self._rows) > MAX_BACKLOG_ROWS else None

    def _schedule(self) -> None:
        if len(self._rows) >= COMMIT_ROWS:
            self._start_flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COMMIT_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._start_flush()

    def _start_flush(self) -> None:
        """Commit what there is, unless a commit is running: then the timer tries again."""
        if self._flushing is not None and not self._flushing.done():
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(COMMIT_SECONDS, self._tick)
            return
        self._note_failure()
        if self._failure is not None or self._is_deferred:
            return  # a failure is raised at the next call; the log keeps the rows
        self._is_deferred = True
        self._when_quiet(self._start_batch)

    def _start_batch(self) -> None:
        self._is_deferred = False
        self._batch = (self._rows, self._updates, self._rotate())
        self._rows, self._updates = [], []
        self._start_commit()

    def _start_commit(self) -> None:
        self._flushing = self._commit(*self._batch)

    def _raise_failure(self) -> None:
        """Raise the failure of an earlier commit, at every call: nothing after it is recorded."""
        self._note_failure()
        if self._failure is not None and not isinstance(self._failure, DiskFull):
            raise self._failure

    def _note_failure(self) -> None:
        if self._flushing is not None and self._flushing.done():
            error, self._flushing = self._flushing.exception(), None
            if error is not None and self._failure is None:
                self._failure = self._translate_error(error)

    async def retry_failed(self) -> None:
        """The same; after a full disk, wait for space and commit the batch again."""
        self._raise_failure()
        if isinstance(full := self._failure, DiskFull):
            await self._wait_for_space(full)
            if self._failure is full:  # else another caller has done it
                self._failure = None
                self._start_commit()

    async def flush(self) -> None:
        """Return when everything recorded so far is in the database."""
        while self._rows or self._updates or self._flushing is not None or self._failure is not None:
            if self._flushing is not None:
                await asyncio.wait([self._flushing])
            await self.retry_failed()
            if self._flushing is None and (self._rows or self._updates):
                self._start_flush()
                await self._begun()

    async def _begun(self) -> None:
        """Return when a batch that is deferred has begun."""
        if self._is_deferred:
            begun = asyncio.Event()
            self._when_quiet(begun.set)
            await begun.wait()

    def cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class WriteAheadLog:
    """Append-only, in two files. A line holds the rows of one append, as a JSON array of arrays.

    Lines survive SIGKILL; one that was written in part is ignored. Earlier versions wrote a line for each
    row.
    """

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / name for name in WRITE_AHEAD_LOG_FILES]
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._fds = [os.open(path, flags, 0o600) for path in self._paths]
        self._current = 0

    def uncommitted(self) -> list[Row]:
        """The rows that a killed run did not get to commit."""
        return uncommitted_rows(self._paths[0].parent)

    def append(self, rows: Sequence[Row]) -> None:
        """Raises `StorageError` if the disk does not take the lines: nothing of them is written then."""
        lines = dumps(rows) + b"\n"
        fd = self._fds[self._current]
        try:
            if (written := os.write(fd, lines)) != len(lines):
                _write_rest(fd, lines, written)
        except OSError as error:
            raise state_error(error, self._paths[0].parent) from None

    def rotate(self) -> int:
        """Append to the other file from now on; returns the number of the one to `clear` after the commit."""
        before, self._current = self._current, 1 - self._current
        return before

    def clear(self, number: int | None = None) -> None:
        """Raises `StorageError` if the disk refuses: the lines would come again after newer ones."""
        for index in (0, 1) if number is None else (number,):
            try:
                os.ftruncate(self._fds[index], 0)
            except OSError as error:
                raise state_error(error, self._paths[index]) from None

    def close(self) -> None:
        """An error that comes this late does not matter: the database has the rows, or the log still has."""
        for fd in self._fds:
            with contextlib.suppress(OSError):
                os.close(fd)


def uncommitted_rows(directory: Path) -> list[Row]:
    """The rows in the log files of a directory, as far as there are such. Raises OSError."""
    found: list[Row] = []
    for path in (directory / name for name in WRITE_AHEAD_LOG_FILES):
        with contextlib.suppress(FileNotFoundError):
            found += _rows(path.read_bytes())
    return found


def _write_rest(fd: int, lines: bytes, written: int) -> None:
    """Write what is left of some lines, or take back their beginning. Raises the OSError of the disk."""
    start = os.fstat(fd).st_size - written
    try:
        write_whole(fd, lines[written:])
    except OSError:
        os.ftruncate(fd, start)
        raise


def _rows(data: bytes) -> list[Row]:
    rows: list[Row] = []
    for line in data.split(b"\n"):
        try:
            found = loads(line)
        except ValueError:
            continue  # the run was killed while it wrote this line
        if isinstance(found, list):
            several = found if found and isinstance(found[0], list) else [found]
            rows += [tuple(row) for row in several if isinstance(row, list) and len(row) == ROW_FIELDS]
    return rows
