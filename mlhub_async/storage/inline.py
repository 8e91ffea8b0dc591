"""Decides whether brief work for the disk may be done in the event loop, by how long it took."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from ..core.concurrency import wait_until_idle

T = TypeVar("T")

SLOW_SECONDS = 0.02
"""Work that takes longer holds up the transfers."""
SLOW_CALLS = 2
"""So many slow calls in a row are the last in the loop: the disk is slow, not the machine busy."""
FAST_CALLS = 5
"""After so many fast calls in a row in a thread the loop may do the work again."""
RELAPSE_SECONDS = 10.0
"""A disk that is slow again so soon must be fast for twice as many calls the next time."""
MAX_FAST_CALLS = 80
WINDOW_SECONDS = 0.25
"""How old a reading of `processor_wait` may be before the next piece of work in the loop."""


class InlineWork:
    """Times the work that is done in the event loop. `allowed` until the disk turns out to be slow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slow_calls = 0

    @property
    def allowed(self) -> bool:
        return self._slow_calls < SLOW_CALLS

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around one piece of work."""
        started = self._clock()
        try:
            yield
        finally:
            slow = self._clock() - started > SLOW_SECONDS
            self._slow_calls = self._slow_calls + 1 if slow else 0


def processor_wait() -> float:
    """Seconds that this thread could have run and had no processor, so far; 0 where no system says so."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class DiskWork:
    """Does brief work for one disk: in the event loop while the disk is `fast`, else in a thread of `pool`.

    One piece of work that was slow is the last in the loop: in one turn the loop may come to many. The work
    in threads is timed too, and tells when the disk is fast again. Time without a processor does not count.
    `on_change` is called at every change. To be used from one event loop only.
    """

    clock: Callable[[], float] = time.monotonic
    processor_wait: Callable[[], float] = staticmethod(processor_wait)

    def __init__(self, pool: Executor, on_change: Callable[[], object] = lambda: None) -> None:
        self.fast = True
        self.on_change = on_change
        self._pool = pool
        self._thread = threading.get_ident()
        self._fast_calls = 0
        """in a row, while the disk is slow"""
        self._needed = FAST_CALLS
        self._waited = self.processor_wait()
        """of the loop's thread, when it was read last"""
        self.stale_at = self.clock() + WINDOW_SECONDS
        """the time from which on `refresh` must come before work that `note_slow` may be told of"""
        self._returned_at = float("-inf")

    def note(self, seconds: float) -> None:
        """A piece of work has taken so long, wherever it was done."""
        if seconds > SLOW_SECONDS:
            self._fast_calls = 0
            if self.fast:
                relapsed = self.clock() - self._returned_at < RELAPSE_SECONDS
                self._needed = min(2 * self._needed, MAX_FAST_CALLS) if relapsed else FAST_CALLS
                self._change(fast=False)
        elif not self.fast:
            self._fast_calls += 1
            if self._fast_calls >= self._needed:
                self._returned_at = self.clock()
                self._change(fast=True)

    def _change(self, *, fast: bool) -> None:
        self.fast, self._fast_calls = fast, 0
        self.on_change()

    def note_slow(self, seconds: float) -> None:
        """The same for slow work in the event loop. It is ignored elsewhere: threads are timed by `run`."""
        if threading.get_ident() == self._thread:
            self.note(seconds - self.refresh())

    def refresh(self) -> float:
        """How long the loop's thread has waited for a processor since the last reading."""
        before, self._waited = self._waited, self.processor_wait()
        self.stale_at = self.clock() + WINDOW_SECONDS
        return self._waited - before

    def run_here(self, work: Callable[[], T]) -> T:
        """Do a piece of work in the event loop."""
        if (started := self.clock()) > self.stale_at:
            self.refresh()
        try:
            return work()
        finally:
            if (took := self.clock() - started) > SLOW_SECONDS:
                self.note_slow(took)

    def start_in_thread(self, work: Callable[[], T], *, writes: bool = True) -> asyncio.Future[T]:
        """Do a piece of work in a thread. The future must not be cancelled while that runs.

        Only work that `writes` can tell that the disk is fast.
        """
        took: list[float] = []

        def timed() -> T:
            started, waited = self.clock(), self.processor_wait()
            try:
                return work()
            finally:
                took.append(self.clock() - started - (self.processor_wait() - waited))

        done = asyncio.get_running_loop().run_in_executor(self._pool, timed)
        done.add_done_callback(partial(self._note_thread, took if writes else []))
        return done

    def _note_thread(self, took: list[float], done: asyncio.Future[T]) -> None:
        if took and not self.fast:  # a thread may have waited for the GIL: that is no sign of a slow disk
            self.note(took[0])
        if not done.cancelled():
            done.exception()  # marks it as retrieved: a caller may have been cancelled

    async def run(self, work: Callable[[], T], *, writes: bool = True) -> T:
        """Do a piece of work where it suits the disk. It has ended when this returns, also if cancelled."""
        return self.run_here(work) if self.fast else await self.run_in_thread(work, writes=writes)

    async def run_in_thread(self, work: Callable[[], T], *, writes: bool = True) -> T:
        """The same for work that may take long on any disk."""
        done = self.start_in_thread(work, writes=writes)
        await wait_until_idle(lambda: [] if done.done() else [done])
        return done.result()
