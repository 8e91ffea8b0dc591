"""Rows on their way to the database: so many at a time, one commit after the other, the failed one again."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from ...core.errors import DiskFull
from ..layout import WRITE_AHEAD_LOG_FILES
from ..local.directories import state_error
from ..local.disk_space import WaitForSpace
from .database import Statements
from .rows import ROW, Row

BATCH = 500
DELAY = 0.2
"""Rows are committed when there are so many, or after so many seconds."""
BACKLOG = 5_000
"""Rows that may wait before `room` makes the workers wait as well."""
Fact = Callable[[Statements], None]
"""Something to do in the ledger's thread."""


class GroupCommit:
    """`commit` begins to write rows and facts, all or nothing, and gives what ends with that.

    Its number is that of the journal's file with these rows: `turn` gives it and begins another file, once
    for each batch, however often that is committed.
    """

    def __init__(
        self,
        commit: Callable[[list[Row], list[Fact], int], asyncio.Future[None]],
        turn: Callable[[], int],
        in_our_words: Callable[[BaseException], BaseException],
        wait_for_space: WaitForSpace,
    ) -> None:
        self._commit = commit
        self._turn = turn
        self._in_our_words = in_our_words
        self._wait_for_space = wait_for_space
        self._rows: list[Row] = []
        self._told: list[Fact] = []
        self._batch: tuple[list[Row], list[Fact], int] = ([], [], 0)
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if self._timer is None or len(self._rows) >= BATCH:
            self._schedule()

    def enqueue(self, fact: Fact) -> None:
        self._told.append(fact)
        self._schedule()

    def backpressure(self) -> Awaitable[None] | None:
        """Something to wait for when the disk is far behind, or when an earlier commit failed."""
        self._raise_failure()
        return self.flush() if self._failure is not None or len(self._rows) > BACKLOG else None

    def _schedule(self) -> None:
        if len(self._rows) >= BATCH:
            self._start_flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._start_flush()

    def _start_flush(self) -> None:
        """Hand over what there is, unless a commit is under way: then the timer looks again."""
        if self._flushing is not None and not self._flushing.done():
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(DELAY, self._tick)
            return
        self._note_failure()
        if self._failure is not None:
            return  # told to whoever asks next; the journal keeps the rows
        self._batch = (self._rows, self._told, self._turn())
        self._rows, self._told = [], []
        self._start_commit()

    def _start_commit(self) -> None:
        self._flushing = self._commit(*self._batch)

    def _raise_failure(self) -> None:
        """Raise what went wrong in an earlier commit, again and again: nothing after it is recorded."""
        self._note_failure()
        if self._failure is not None and not isinstance(self._failure, DiskFull):
            raise self._failure

    def _note_failure(self) -> None:
        if self._flushing is not None and self._flushing.done():
            error, self._flushing = self._flushing.exception(), None
            if error is not None and self._failure is None:
                self._failure = self._in_our_words(error)

    async def mend(self) -> None:
        """The same; but a full disk may be waited for, and then the batch is committed once more."""
        self._raise_failure()
        if isinstance(full := self._failure, DiskFull):
            await self._wait_for_space(full)
            if self._failure is full:  # else somebody else was quicker
                self._failure = None
                self._start_commit()

    async def flush(self) -> None:
        """Return when everything recorded so far is in the database."""
        while self._rows or self._told or self._flushing is not None or self._failure is not None:
            if self._flushing is not None:
                await asyncio.wait([self._flushing])
            await self.mend()
            if self._flushing is None and (self._rows or self._told):
                self._start_flush()

    def stop(self) -> None:
        """Look at the clock no more."""
        if self._timer is not None:
            self._timer.cancel()


class WriteAheadLog:
    """Append-only. It survives SIGKILL: a written line is the kernel's; a torn last line is ignored."""

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / name for name in WRITE_AHEAD_LOG_FILES]
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._fds = [os.open(path, flags, 0o600) for path in self._paths]
        self._current = 0

    def left(self) -> list[Row]:
        """The rows that a killed run did not get to commit."""
        return [row for path in self._paths for row in _rows(path.read_bytes())]

    def append(self, row: Row) -> None:
        """Raises `StorageError` where the disk does not take the line: then nothing of it is there."""
        line = orjson.dumps(row) + b"\n"
        fd = self._fds[self._current]
        try:
            if (written := os.write(fd, line)) != len(line):
                os.ftruncate(fd, os.fstat(fd).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise state_error(error, self._paths[0].parent) from None

    def turn(self) -> int:
        """Let the other file take over; returns the number of the one to `clear` after the commit."""
        before, self._current = self._current, 1 - self._current
        return before

    def clear(self, number: int | None = None) -> None:
        for index in (0, 1) if number is None else (number,):
            os.ftruncate(self._fds[index], 0)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


def _rows(data: bytes) -> list[Row]:
    rows: list[Row] = []
    for line in data.split(b"\n"):
        try:
            row = orjson.loads(line)
        except ValueError:
            continue  # torn: the run was killed while it wrote this line
        if isinstance(row, list) and len(row) == ROW:
            rows.append(tuple(row))
    return rows
