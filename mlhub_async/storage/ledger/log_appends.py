"""Appends to the write-ahead log: in the event loop while the disk is fast, else many at once in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from ..inline import DiskWork
from .rows import Row


class LogAppends:
    """Lets one append at a time write the lines of all that wait for it.

    From the moment when lines are written until their rows are with those of the next commit, the log must
    not rotate: `release` ends that time, and what has to wait for its end is called by `when_quiet`.
    """

    def __init__(self, append: Callable[[Sequence[Row]], None], disk: DiskWork) -> None:
        self._append = append
        self._disk = disk
        self._holders = 0
        """the append under way, and callers whose lines are written and whose rows are not added"""
        self._rows: list[Row] = []
        self._callers = 0
        self._written: asyncio.Future[None] | None = None
        """of the next append: its lines, those who wait for it, and what they wait for"""
        self._deferred: list[Callable[[], object]] = []

    @property
    def inline(self) -> bool:
        """Whether the next append is made in the event loop."""
        return self._disk.fast and not self._holders

    async def append(self, rows: Sequence[Row]) -> None:
        """Return when the lines are written; `release` must follow. Not to be cancelled unless `inline`.

        Raises what the append raises: then nothing is written, and no `release` follows.
        """
        if self.inline:
            self._disk.run_here(partial(self._append, rows))
            self._holders = 1
            return
        self._rows += rows
        self._callers += 1
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if not self._holders:
            self._start()
        await asyncio.wait([written])
        written.result()

    def _start(self) -> None:
        """Write the lines of all that wait."""
        rows, written, callers = self._rows, self._written, self._callers
        assert written is not None
        self._rows, self._written, self._callers = [], None, 0
        self._holders = 1
        appended = self._disk.start_in_thread(partial(self._append, rows))
        appended.add_done_callback(partial(self._end, written, callers))

    def _end(self, written: asyncio.Future[None], callers: int, appended: asyncio.Future[None]) -> None:
        error = appended.exception()
        if error is None:
            self._holders += callers
            written.set_result(None)
        else:
            written.set_exception(error)
        self.release()

    def release(self) -> None:
        """The rows of a caller are with those of the next commit, or never will be."""
        self._holders -= 1
        if self._holders:
            return
        deferred, self._deferred = self._deferred, []
        for call in deferred:
            call()
        if self._written is not None and not self._holders:
            self._start()

    def when_quiet(self, call: Callable[[], object]) -> None:
        """Call this when no lines are without their rows: now, or before the next append."""
        if self._holders:
            self._deferred.append(call)
        else:
            call()
