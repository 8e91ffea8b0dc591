"""The unfinished bytes of one asset: in memory while they are few, else in a partial file.

Digests are taken as the bytes come, so nothing is read twice. Nothing here has a final name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from .. import checksum
from ..errors import DiskFailing, DiskFull
from ..ports import Buffer
from .tree import storage_error

if TYPE_CHECKING:
    from ..checksum import Hasher

SMALL = 256 << 10
"""Up to so many bytes stay in memory and are written at once: one open, write, close and rename.
A thread hop per file was measured at 1.5 times the cost of the whole transfer of 16 KiB."""
BATCH = 512 << 10
"""Larger bodies go to the disk thread in pieces of this size, one of them under way at a time."""


class Body:
    """Collects one representation from its first byte on. One writer at a time; `close` it always."""

    def __init__(self, path: str, directory: int | None, pool: Executor) -> None:
        self._path = path
        self._directory = directory
        self._pool = pool
        self._fd: int | None = None
        self._hashes: dict[str, Hasher] = {}
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._written = 0
        self._writing: asyncio.Future[None] | None = None
        self.offset = 0
        self.was_opened = False

    @property
    def path(self) -> str:
        return self._path

    def begin(self, algorithms: Iterable[str], *, large: bool) -> None:
        """Start (again) with no bytes at all. `large`: known to outgrow memory, so use the file at once."""
        assert self._writing is None or self._writing.done(), "begun anew under a write in flight"
        self._hashes = {name: checksum.hasher(name) for name in ("sha256", *algorithms)}
        self._pending.clear()
        self._pending_size = self._written = self.offset = 0
        if self._fd is not None:
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.ftruncate(self._fd, 0)
        elif large:
            self._open(os.O_TRUNC)

    async def adopt(self, algorithms: Iterable[str], *, read_only: bool = False) -> None:
        """Go on with the bytes that are there: they are read once, for the digests."""
        self._open(0, os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT)
        self._hashes = {name: checksum.hasher(name) for name in {"sha256", *algorithms}}
        loop = asyncio.get_running_loop()
        self.offset = self._written = await loop.run_in_executor(self._pool, self._digest_prefix)

    def _open(self, extra: int, mode: int = os.O_RDWR | os.O_CREAT) -> None:
        flags = mode | extra | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(self._path, flags, 0o666, dir_fd=self._directory)
            self.was_opened = True
        except OSError as error:
            raise storage_error(error, self._path) from None

    def _digest_prefix(self) -> int:
        assert self._fd is not None
        size = 0
        while piece := os.read(self._fd, BATCH):
            size += len(piece)
            for digest in self._hashes.values():
                digest.update(piece)
        return size

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """Take bytes; an awaitable when the disk is behind and the caller must wait. See `ports.Sink`."""
        self._pending.append(bytes(data))
        self._pending_size += len(data)
        self.offset += len(data)
        if self._fd is None:
            if self.offset <= SMALL:
                return None
            self._open(os.O_TRUNC)
        if self._pending_size < BATCH:
            return None
        if self._writing is None or self._writing.done():
            self._start_writing()
            return None
        return self._write_next()

    async def _write_next(self) -> None:
        await self.settled()
        self._start_writing()

    def _start_writing(self) -> None:
        self._raise_failure()
        pieces, self._pending = self._pending, []
        self._pending_size = 0
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._pool, self._write_out, pieces)

    def _write_out(self, pieces: list[bytes]) -> None:
        """In the disk thread: hash while the bytes are in the cache, then write them where they belong."""
        assert self._fd is not None
        for piece in pieces:
            for digest in self._hashes.values():
                digest.update(piece)
            view = memoryview(piece)
            while view:
                done = os.write(self._fd, view)
                self._written += done
                view = view[done:]

    async def settled(self) -> None:
        """Wait for the write in flight: before it has ended the file must not be moved or begun anew."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._writing is not None and self._writing.done():
            error, self._writing = self._writing.exception(), None
            if isinstance(error, OSError):
                raise storage_error(error, self._path) from None
            if error is not None:
                raise error

    async def complete(self) -> dict[str, bytes]:
        """The digests by algorithm, once every byte is where it belongs."""
        if self._fd is not None:
            await self.settled()
            if self._pending:
                self._start_writing()
                await self.settled()
            if os.fstat(self._fd).st_size != self.offset:
                raise DiskFailing(f"{self._path}: the file system lost bytes that it had accepted")
        else:
            for piece in self._pending:
                for digest in self._hashes.values():
                    digest.update(piece)
        return {name: digest.digest() for name, digest in self._hashes.items()}

    async def in_thread(self, call: Callable[[bool], int], sync: bool) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, sync)

    def finish(self, sync: bool) -> int:
        """Close the finished file, ready to be renamed; returns its mtime in nanoseconds."""
        try:
            if self._fd is None:
                self._open(os.O_TRUNC)
                self._write_small()
            assert self._fd is not None
            if sync:
                os.fsync(self._fd)
            mtime = os.fstat(self._fd).st_mtime_ns
            fd, self._fd = self._fd, None
            os.close(fd)
        except OSError as error:
            raise storage_error(error, self._path) from None
        return mtime

    def _write_small(self) -> None:
        assert self._fd is not None
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        if data and os.write(self._fd, data) != len(data):
            raise DiskFull(f"{self._path}: the disk is full; free some space, then run again")

    async def close(self) -> None:
        """End the write in flight and close the file; the bytes stay. May be called more than once."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing.exception()  # whoever closes has been told of it, or does not need the bytes
            self._writing = None
        if self._fd is not None:
            if self._pending and self._written + self._pending_size == self.offset:
                self._keep_pending()
            fd, self._fd = self._fd, None
            os.close(fd)

    def _keep_pending(self) -> None:
        """Bytes that were received are worth keeping for the next run, where the disk takes them."""
        with contextlib.suppress(OSError):
            self._write_out(self._pending)
        self._pending = []
