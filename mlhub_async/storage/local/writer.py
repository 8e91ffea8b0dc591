"""Writes bytes to a file, in the event loop or in a thread: they are collected, then written in one batch."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from ...core.concurrency import LazyAwaitable, ThreadPool, available_cores, wait_until_idle
from ...core.errors import DiskFull
from ..inline import DiskWork
from ..os_errors import storage_error
from .disk_space import WaitForSpace, do_not_wait

if TYPE_CHECKING:
    from ...core.ports import Buffer

SMALL_BODY_BYTES = 256 << 10
"""Up to so many bytes stay in memory and are written in the event loop: one open, write, close and rename.
Handing each file to a thread was measured to cost 1.5 times as much as the whole transfer of 16 KiB."""
MIN_BORROWED_BYTES = 512 << 10
"""A view of so many bytes is not copied: its owner waits until it is written."""
MIN_BATCH_BYTES = 512 << 10
MAX_BATCH_BYTES = 2 << 20
"""Bytes that a thread writes at once: with 512 KiB the transfer was measured to cost a tenth more."""
BATCHES_PER_BODY = 8
"""A body of known size is written in at least so many batches, so that the disk works meanwhile."""
MAX_WAITING_BYTES = 16 << 20
"""Bytes that all bodies together collect for their next batch; twice that with the batches in flight."""


WRITER_THREADS = min(4, os.cpu_count() or 1)


class FileWriter:
    """Writes the bytes of one body, in order. One caller at a time; see `ports.SegmentWriter`.

    `put` writes what it can of a piece and returns how many bytes that was. `before_write` is called with
    each piece before it is written, `after_batch` after each batch. All three are called in the event loop
    or in a thread, as `WriterThreads.inline` says.
    """

    def __init__(
        self,
        threads: WriterThreads,
        path: str,
        put: Callable[[memoryview], int],
        before_write: Callable[[Buffer], None] | None = None,
        after_batch: Callable[[], None] | None = None,
    ) -> None:
        self._threads = threads
        self._path = path
        self._put = put
        self._before_write = before_write
        self._after_batch = after_batch
        self._batch_bytes = MIN_BATCH_BYTES
        self._batch: deque[Buffer] = deque()
        self._piece = memoryview(b"")
        self._in_flight: asyncio.Future[None] | None = None
        self._work: Callable[[], None] = self._write_batch
        """what is in flight; called again after the disk was full"""
        self.pending: list[Buffer] = []
        self.pending_bytes = 0
        self.written = 0
        """the offset in the file at which the next byte is written"""

    @property
    def busy(self) -> bool:
        return self._in_flight is not None and not self._in_flight.done()

    @property
    def idle(self) -> bool:
        """Whether another batch may begin: none is in flight, and none has failed."""
        return self._in_flight is None or (self._in_flight.done() and self._in_flight.exception() is None)

    def expect(self, size: int) -> None:
        """The body has so many bytes."""
        self._batch_bytes = max(MIN_BATCH_BYTES, size // BATCHES_PER_BODY)

    def begin(self) -> None:
        """Start again without any bytes. Not while a batch is in flight."""
        assert not self.busy, "restarted under a write in flight"
        self._in_flight = None
        self.pending.clear()
        self._batch.clear()
        self._piece = memoryview(b"")
        self.pending_bytes = self.written = 0

    def collect(self, data: Buffer) -> bool:
        """Take bytes. True for a large view: it must be written before its owner reuses the buffer."""
        is_bytes = isinstance(data, bytes)
        borrowed = len(data) >= MIN_BORROWED_BYTES and not is_bytes
        self.pending.append(data if borrowed or is_bytes else bytes(data))
        self.pending_bytes += len(data)
        return borrowed

    def flush(self, borrowed: bool) -> Awaitable[None] | None:
        """Begin a batch if there is enough for one; an awaitable when the caller must wait for the disk."""
        if (
            not borrowed
            and self.pending_bytes < self._batch_bytes
            and self.pending_bytes < self._threads.batch_bytes
        ):
            return None
        if self.idle:
            self._start()
            return LazyAwaitable(self.settled) if borrowed and not self.idle else None
        return LazyAwaitable(partial(self._flush_next, borrowed))

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """Take bytes, and write them when there are enough; see `ports.Sink.write`."""
        return self.flush(self.collect(data))

    async def _flush_next(self, borrowed: bool) -> None:
        await self.settled()
        self._start()
        if borrowed:
            await self.settled()

    def _start(self) -> None:
        self._raise_failure()
        self._batch.extend(self.pending)
        self.pending, self.pending_bytes = [], 0
        if self._threads.inline:
            self._work = self._write_batch
            self._in_flight = self._threads.run_here(self._write_batch)
        else:
            self.run(self._write_batch, writes=True)

    def run(self, work: Callable[[], None], *, writes: bool = False) -> None:
        """Do this in the thread; `settled` waits for it. Not while a batch is in flight."""
        self._work = work
        self._in_flight = self._threads.disk.start_in_thread(work, writes=writes)

    def _write_batch(self) -> None:
        """Digests are computed while the bytes are in the processor's cache.

        Called again after the disk refused, it goes on with the next byte.
        """
        while self._piece or self._batch:
            if not self._piece:
                data = self._batch.popleft()
                if self._before_write is not None:
                    self._before_write(data)
                self._piece = memoryview(data)
            count = self._put(self._piece)
            self.written += count
            self._piece = self._piece[count:]
        if self._after_batch is not None:
            self._after_batch()

    async def settled(self) -> None:
        """Wait for the batch in flight: before it has ended the file must not be renamed or truncated.

        Raises its `StorageError`; where the run waits for space on a full disk, it is continued.
        """
        while self._in_flight is not None:
            await asyncio.wait([self._in_flight])
            try:
                self._raise_failure()
            except DiskFull as full:
                await self._threads.wait_for_space(full)
                self.run(self._work)

    def _raise_failure(self) -> None:
        if self._in_flight is not None and self._in_flight.done():
            error, self._in_flight = self._in_flight.exception(), None
            if isinstance(error, OSError):
                raise storage_error(error, self._path) from None
            if error is not None:
                raise error

    async def drained(self) -> None:
        """Return when everything that was taken is written. Raises `StorageError`."""
        await self.settled()
        if self.pending:
            self._start()
            await self.settled()

    async def close(self) -> None:
        """Wait for the batch in flight, also when cancelled meanwhile; its error is not raised.

        What is still pending is not written.
        """
        try:
            await wait_until_idle(
                lambda: [self._in_flight] if self._in_flight is not None and self.busy else []
            )
        finally:
            if self._in_flight is not None:
                self._in_flight.exception()  # marks it as retrieved: asyncio would log it
                self._in_flight = None

    def write_pending(self) -> None:
        """Write what is pending, in the calling thread, after `close`. Raises OSError."""
        self._batch.extend(self.pending)
        self.pending = []
        self._write_batch()


class WriterThreads:
    """The threads that write for all bodies of a run. To be used from the event loop only."""

    def __init__(self, threads: int = WRITER_THREADS, *, wait_for_space: WaitForSpace = do_not_wait) -> None:
        self.pool = ThreadPool(threads, thread_name_prefix="mlhub-disk")
        self.disk = DiskWork(self.pool)
        self.wait_for_space = wait_for_space
        self.batch_bytes = MAX_BATCH_BYTES
        """bytes that one body collects before they are written, at most"""
        self._writers = 0
        self._allows_inline = False
        self._has_free_core = available_cores() > 1

    def allow_inline(self) -> None:
        """Write in the event loop where `inline` says so: the disk is local, and nothing is synced."""
        self._allows_inline = True

    @property
    def inline(self) -> bool:
        """Whether batches are written in the event loop. A thread is worth its hand-over where one body alone
        is under way, while another core is free for it, and where the disk is slow."""
        alone = self._writers <= 1 and self._has_free_core
        return self._allows_inline and self.disk.fast and not alone

    def run_here(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Do this in the event loop. The future is done."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self.disk.run_here(work)
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def add_writer(self) -> None:
        """Another body is written: the more there are, the less each may collect."""
        self._count(1)

    def remove_writer(self) -> None:
        self._count(-1)

    def _count(self, change: int) -> None:
        self._writers += change
        share = MAX_WAITING_BYTES // max(self._writers, 1)
        self.batch_bytes = max(MIN_BATCH_BYTES, min(MAX_BATCH_BYTES, share))

    def close(self) -> None:
        """Wait for the threads and end them."""
        self.pool.shutdown(wait=True)
