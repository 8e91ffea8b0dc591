"""Bytes on their way into a file: collected first, then written in a disk thread, one hop at a time."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ...core.concurrency import LazyAwaitable, wait_until_idle
from ...core.errors import DiskFull
from ...core.ports import Buffer
from .directories import storage_error
from .disk_space import WaitForSpace, do_not_wait

LENT = 512 << 10
"""A view of so many bytes is neither copied nor collected: who writes it waits until it is on the disk."""
SHARE = 8
"""Of a body of known size no more than this part waits for its next hop: the disk works meanwhile."""

THREADS = min(4, os.cpu_count() or 1)
BATCH = 2 << 20
"""Bytes that go to a disk thread at once, at most: a hop for 512 KiB was measured to cost a tenth more."""
LEAST = 512 << 10
WAITING = 16 << 20
"""Bytes that all bodies together collect for their next hop; twice that with those under way."""


class FileWriter:
    """One writer at a time. `put` writes what it can of a piece, in the disk thread, and says how much;
    `see` looks at every piece before it is written, `wrote` is called after each hop."""

    def __init__(
        self,
        disk: WriterThreads,
        path: str,
        put: Callable[[memoryview], int],
        see: Callable[[Buffer], None] | None = None,
        wrote: Callable[[], None] | None = None,
    ) -> None:
        self._disk = disk
        self._path = path
        self._put = put
        self._see = see
        self._wrote = wrote
        self._share = LEAST
        self._batch: deque[Buffer] = deque()
        self._torn = memoryview(b"")
        self._working: asyncio.Future[None] | None = None
        self.pending: list[Buffer] = []
        self.pending_size = 0
        self.written = 0
        """where in the file the next byte belongs"""

    @property
    def busy(self) -> bool:
        return self._working is not None and not self._working.done()

    @property
    def idle(self) -> bool:
        """Whether another hop may begin: none is under way, and none has failed."""
        return self._working is None or (self._working.done() and self._working.exception() is None)

    def expect(self, size: int) -> None:
        self._share = max(LEAST, size // SHARE)

    def begin(self) -> None:
        """Start anew with no bytes at all."""
        assert not self.busy, "begun anew under a write in flight"
        self._working = None
        self.pending.clear()
        self._batch.clear()
        self._torn = memoryview(b"")
        self.pending_size = self.written = 0

    def collect(self, data: Buffer) -> bool:
        """Take bytes. True for a large view, which must be on the disk before its owner uses it again."""
        whole = isinstance(data, bytes)
        lent = len(data) >= LENT and not whole
        self.pending.append(data if lent or whole else bytes(data))
        self.pending_size += len(data)
        return lent

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """Take bytes and write them when that is due; see `ports.Sink.write`."""
        return self.flow(self.collect(data))

    def flow(self, lent: bool) -> Awaitable[None] | None:
        """Begin a hop if it is worth one; an awaitable when the disk is behind and the caller must wait."""
        if not lent and self.pending_size < self._share and self.pending_size < self._disk.batch:
            return None
        if self.idle:
            self._start()
            return LazyAwaitable(self.settled) if lent else None
        return LazyAwaitable(partial(self._next, lent))

    async def _next(self, lent: bool) -> None:
        await self.settled()
        self._start()
        if lent:
            await self.settled()

    def _start(self) -> None:
        self._raise_failure()
        self._batch.extend(self.pending)
        self.pending, self.pending_size = [], 0
        self.run(self._write_out)

    def run(self, work: Callable[[], None]) -> None:
        """Do this in the disk thread: `settled` waits for it."""
        self._working = asyncio.get_running_loop().run_in_executor(self._disk.pool, work)

    def _write_out(self) -> None:
        """In the disk thread: hash while the bytes are in the cache, then write them where they belong.

        Called again after the disk refused it goes on with the very next byte.
        """
        while self._torn or self._batch:
            if not self._torn:
                piece = self._batch.popleft()
                if self._see is not None:
                    self._see(piece)
                self._torn = memoryview(piece)
            done = self._put(self._torn)
            self.written += done
            self._torn = self._torn[done:]
        if self._wrote is not None:
            self._wrote()

    async def settled(self) -> None:
        """Wait for the hop in flight: before it has ended the file must not be moved or begun anew."""
        while self._working is not None:
            await asyncio.wait([self._working])
            try:
                self._raise_failure()
            except DiskFull as full:
                await self._disk.wait_for_space(full)
                self.run(self._write_out)

    def _raise_failure(self) -> None:
        if self._working is not None and self._working.done():
            error, self._working = self._working.exception(), None
            if isinstance(error, OSError):
                raise storage_error(error, self._path) from None
            if error is not None:
                raise error

    async def drained(self) -> None:
        """Return when everything that was taken is where it belongs."""
        await self.settled()
        if self.pending:
            self._start()
            await self.settled()

    async def wait_until_idle(self) -> None:
        """Wait for the hop in flight whatever happens: its thread has the file, and its bytes."""
        await wait_until_idle(lambda: [self._working] if self._working is not None and self.busy else [])

    def stop(self) -> None:
        """Nobody waits for the last hop any more. It is at rest."""
        if self._working is not None:
            self._working.exception()  # whoever stops has been told of it, or does not need the bytes
            self._working = None

    async def close(self) -> None:
        """Return when no hop is in flight any more, also when cancelled meanwhile."""
        try:
            await self.wait_until_idle()
        finally:
            self.stop()

    def keep(self) -> None:
        """Write what was collected, here and now. Raises OSError."""
        self._batch.extend(self.pending)
        self.pending = []
        self._write_out()


class WriterThreads:
    """One pool for all bodies of a run, and the number of those that write. For the loop's thread only."""

    def __init__(self, threads: int = THREADS, *, wait_for_space: WaitForSpace = do_not_wait) -> None:
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="mlhub-disk")
        self.wait_for_space = wait_for_space
        self.batch = BATCH
        self._writers = 0

    def enter(self) -> None:
        """Another body is being written: the more there are, the less each may keep waiting."""
        self._count(1)

    def leave(self) -> None:
        self._count(-1)

    def _count(self, change: int) -> None:
        self._writers += change
        self.batch = max(LEAST, min(BATCH, WAITING // max(self._writers, 1)))

    def close(self) -> None:
        self.pool.shutdown(wait=True)
