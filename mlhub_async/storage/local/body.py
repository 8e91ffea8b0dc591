"""The unfinished bytes of one asset: in memory while they are few, else in a partial file.

Digests are taken as the bytes come, so nothing is read twice. Nothing here has a final name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from io import BytesIO
from typing import BinaryIO, TypeVar

from ...core import checksum
from ...core.checksum import Hasher
from ...core.errors import DiskFailing, DiskFull
from ...core.ports import Buffer
from .checkpoint import PIECE, Checkpoints
from .directories import storage_error
from .writer import FileWriter, WriterThreads

T = TypeVar("T")

SMALL_BODY = 256 << 10
"""Up to so many bytes stay in memory and are written at once: one open, write, close and rename.
A thread hop per file was measured at 1.5 times the cost of the whole transfer of 16 KiB."""
STEP = 8 << 20
"""Bytes that were written by several are taken in by one hop, at most."""


class BodyWriter:
    """Collects one representation from its first byte on. One writer at a time; `close` it always.

    What was written is noted in the journal of its `digests`: it is proven to a later run.
    """

    def __init__(self, path: str, directory: int | None, threads: WriterThreads) -> None:
        self._path = path
        self._directory = directory
        self._threads = threads
        self._fd: int | None = None
        self._writer = False
        self.digests = BodyDigests()
        self._out = FileWriter(threads, path, self._put, self.digests.see, self._note)
        self.offset = 0
        self.is_persistent = False
        self.in_memory = True
        """all of it is still here, whatever became of the file"""

    @property
    def path(self) -> str:
        return self._path

    def begin(self, algorithms: Iterable[str], size: int | None = None) -> None:
        """Start (again) with no bytes at all. `size`: that of the body, where it is known already."""
        self._out.begin()
        self.digests.begin(algorithms)
        self.offset = 0
        self._forget_file()
        if size is not None and size > SMALL_BODY:
            self._open_large(os.O_EXCL)
        self._out.expect(size or 0)

    async def adopt(self, algorithms: Iterable[str], total: int) -> None:
        """Go on with the bytes that are there, as far as the journal proves them; the rest is cut off."""
        self.digests.begin(algorithms)
        self._out.expect(total)
        self._open_large(0)
        self._out.run(partial(self._prove, total))
        await self.settled()

    def _forget_file(self) -> None:
        """What begins anew has another file. An old one is never emptied: where locks do nothing another
        run may have taken it over, and go on with it."""
        if self.is_persistent:
            self._let_go()
            self.is_persistent, self.in_memory = False, True
            with contextlib.suppress(OSError):
                os.unlink(self._path, dir_fd=self._directory)

    def _let_go(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):  # of bytes that are lost now the journal proves nothing
                os.close(fd)
        if self._writer:
            self._writer = False
            self._threads.remove_writer()

    def _open_large(self, extra: int) -> None:
        self._open(extra)
        self._writer, self.in_memory = True, False
        self._threads.add_writer()

    def _open(self, extra: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | extra | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(self._path, flags, 0o666, dir_fd=self._directory)
            self.is_persistent = True
        except OSError as error:
            raise storage_error(error, self._path) from None

    def _prove(self, total: int) -> None:
        """In the disk thread: keep what is proven."""
        assert self._fd is not None
        proven = self.digests.prove(self._fd, total)
        os.ftruncate(self._fd, proven)
        os.lseek(self._fd, proven, os.SEEK_SET)
        self.offset = self._out.written = proven

    def tail(self, size: int) -> bytes:
        """The last bytes there are, at most so many; not while a write is in flight."""
        last = b"".join(self._out.pending)[-size:] if size else b""
        if len(last) < size and self._fd is not None:
            try:
                os.lseek(self._fd, max(self._out.written - size + len(last), 0), os.SEEK_SET)
                last = os.read(self._fd, size - len(last)) + last
                os.lseek(self._fd, self._out.written, os.SEEK_SET)
            except OSError as error:
                raise storage_error(error, self._path) from None
        return last

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """Take bytes; an awaitable when the disk is behind and the caller must wait. See `ports.Sink`."""
        borrowed = self._out.collect(data)
        self.offset += len(data)
        if self._fd is None:
            if self.offset <= SMALL_BODY:
                return None
            self._open_large(os.O_EXCL)
        return self._out.flush(borrowed)

    def segment(self, offset: int) -> FileWriter:
        """A way for bytes that belong further on. They are of the body once it has come to `follow` them;
        the caller has it at rest before the body is closed or begun anew."""

        def put(piece: memoryview) -> int:
            assert self._fd is not None
            return os.pwrite(self._fd, piece, out.written)

        out = FileWriter(self._threads, self._path, put)
        out.written = offset
        return out

    def follow(self, end: int) -> None:
        """Take in what patches wrote next to our bytes, up to `end`: at the most one step at a time."""
        if self._out.idle and end > self.offset:
            self._out.run(partial(self._take_in, min(end, self.offset + STEP)))

    def _take_in(self, end: int) -> None:
        """In the disk thread: what was written just now is read from memory."""
        assert self._fd is not None
        while (at := self._out.written) < end:
            piece = os.pread(self._fd, min(PIECE, end - at), at)
            if not piece:
                raise DiskFailing(f"{self._path}: the file system lost bytes that it had accepted")
            self.digests.see(piece)
            self._out.written = self.offset = os.lseek(self._fd, at + len(piece), os.SEEK_SET)
            self._note()

    async def drained(self) -> None:
        """Wait until all that was taken is on the disk."""
        await self._out.drained()

    def _put(self, piece: memoryview) -> int:
        assert self._fd is not None
        return os.write(self._fd, piece)

    def _note(self) -> None:
        self.digests.note(self._out.written)

    async def settled(self) -> None:
        """Wait for the write in flight: before it has ended the file must not be moved or begun anew."""
        await self._out.settled()

    async def complete(self) -> dict[str, bytes]:
        """The digests by algorithm, once every byte is where it belongs."""
        if self._fd is not None:
            await self._out.drained()
            if os.fstat(self._fd).st_size != self.offset:
                raise DiskFailing(f"{self._path}: the file system lost bytes that it had accepted")
        else:
            for piece in self._out.pending:
                self.digests.see(piece)
        return self.digests.found()

    async def inspect(self, examine: Callable[[BinaryIO], T]) -> T:
        """What a function finds in the whole of the bytes, which are complete; it runs in the disk thread."""
        found: list[T] = []

        def looking() -> None:
            with self._whole() as file:
                found.append(examine(file))

        self._out.run(looking)
        await self.settled()
        return found[0]

    def _whole(self) -> BinaryIO:
        if self.in_memory:
            return BytesIO(b"".join(self._out.pending))
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        return open(self._fd, "rb", buffering=0, closefd=False)

    async def in_thread(self, call: Callable[[bool], int], sync: bool) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._threads.pool, call, sync)

    def finish(self, sync: bool) -> int:
        """Close the finished file, ready to be renamed; returns its mtime in nanoseconds.

        It may be called again after the disk refused what is still `in_memory`.
        """
        try:
            if self.in_memory:
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
        self._forget_file()
        self._open(os.O_EXCL)
        assert self._fd is not None
        pending = self._out.pending
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        if data and os.write(self._fd, data) != len(data):
            raise DiskFull(f"{self._path}: the disk is full; free some space, then run again")

    async def close(self, *, keep: bool = True) -> None:
        """End the write in flight and close the file. `keep`: write what is not written yet, where that
        goes. May be called more than once; a cancellation is raised when all of it is done."""
        try:
            await self._out.close()
        finally:
            if keep and self._fd is not None and self._out.written + self._out.pending_bytes == self.offset:
                # Bytes that were received are worth keeping for the next run, where the disk takes them.
                with contextlib.suppress(OSError):
                    self._out.write_pending()
                    self.digests.note(self._out.written, last=True)
            self._let_go()


class BodyDigests:
    """Of everything from the first byte on. Without a `journal` nothing is noted."""

    def __init__(self) -> None:
        self._hashes: Mapping[str, Hasher] = {}
        self._noted = 0
        self.checkpoints: Checkpoints | None = None

    def begin(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: checksum.hasher(name) for name in {"sha256", *algorithms}}
        self._noted = 0

    def see(self, piece: Buffer) -> None:
        for digest in self._hashes.values():
            digest.update(piece)

    def note(self, written: int, *, last: bool = False) -> None:
        """So many bytes are on the disk; the digest of them costs nothing: it is on its way to that of the
        whole. Few bytes are noted only if they are the `last`. Raises OSError."""
        checkpoints = self.checkpoints
        if checkpoints is not None and written - self._noted >= (1 if last else checkpoints.spacing):
            checkpoints.add(written, self._hashes["sha256"])
            self._noted = written

    def prove(self, fd: int, total: int) -> int:
        """How many bytes of a file are those that the journal speaks of: the digests are of them now."""
        assert self.checkpoints is not None
        self._noted, self._hashes = self.checkpoints.proven(fd, self._hashes, total)
        return self._noted

    def found(self) -> dict[str, bytes]:
        return {name: digest.digest() for name, digest in self._hashes.items()}
