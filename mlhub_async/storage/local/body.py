"""Holds the body of one asset until it is complete: a small one in memory, any other in a partial file.

Digests are computed as the bytes arrive, so that nothing is read twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from ...core import checksum
from ...core.checksum import Hasher
from ...core.errors import DiskFailing
from ..os_errors import storage_error, write_whole
from .checkpoint import READ_BYTES, Checkpoints
from .writer import SMALL_BODY_BYTES, FileWriter, WriterThreads

if TYPE_CHECKING:
    from ...core.ports import Buffer


T = TypeVar("T")

FICLONE = 0x40049409
"""The request of Linux that lets a file share the blocks of another one until either is changed."""
MAX_FOLLOW_BYTES = 8 << 20
"""Bytes written by segments that one call in the thread reads and digests, at most."""


class BodyWriter:
    """See `ports.BodyWriter`. `close` it always.

    What was written is noted in the checkpoints of its `digests`, which prove it to a later run.
    """

    def __init__(self, path: str, directory: int | None, threads: WriterThreads) -> None:
        self._path = path
        self._directory = directory
        self._threads = threads
        self._fd: int | None = None
        self._is_counted = False
        self.digests = BodyDigests()
        self._out = FileWriter(threads, path, self._put, self.digests.update, self._add_checkpoint)
        self.offset = 0
        self.is_persistent = False
        self.in_memory = True
        """Whether all bytes are still in memory, also when a file could not take them."""

    @property
    def path(self) -> str:
        return self._path

    def begin(self, algorithms: Iterable[str], size: int | None = None) -> None:
        """See `ports.BodyWriter`. A body known to be large gets its file at once."""
        self._out.begin()
        self.digests.begin(algorithms)
        self.offset = 0
        self._delete_file()
        if size is not None and size > SMALL_BODY_BYTES:
            self._open_large(os.O_EXCL)
        self._out.expect(size or 0)

    async def adopt(self, algorithms: Iterable[str], total: int) -> None:
        """Go on with the bytes in the file, as far as the checkpoints prove them; the rest is truncated."""
        self.digests.begin(algorithms)
        self._out.expect(total)
        self._open_large(0)
        self._out.run(partial(self._restore, total))
        await self.settled()

    def run_first(self, work: Callable[[], None]) -> None:
        """Do this in a thread, before any byte is written; `settled` raises its errors. After `begin`."""
        self._out.run(work, writes=True)

    def _delete_file(self) -> None:
        """A body that starts again gets a new file. The old one is not truncated: where the file system
        ignores locks, another run may have taken it over and be writing to it."""
        if self.is_persistent:
            self._close_file()
            self.is_persistent, self.in_memory = False, True
            with contextlib.suppress(OSError):
                os.unlink(self._path, dir_fd=self._directory)

    def _close_file(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):  # bytes that are lost here are not proven by a checkpoint
                os.close(fd)
        if self._is_counted:
            self._is_counted = False
            self._threads.remove_writer()

    def _open_large(self, extra: int) -> None:
        self._open(extra)
        self._is_counted, self.in_memory = True, False
        self._threads.add_writer()

    def _open(self, extra: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | extra | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(self._path, flags, 0o666, dir_fd=self._directory)
            self.is_persistent = True
        except OSError as error:
            raise storage_error(error, self._path) from None

    def _restore(self, total: int) -> None:
        """In the thread: keep what is proven."""
        assert self._fd is not None
        if os.fstat(self._fd).st_nlink > 1:
            self._part_from_links(self._fd)
        proven = self.digests.restore(self._fd, total)
        os.ftruncate(self._fd, proven)
        os.lseek(self._fd, proven, os.SEEK_SET)
        self.offset = self._out.written = proven

    def _part_from_links(self, shared: int) -> None:
        """In the thread: go on in a copy. A snapshot of hard links has the file under another name too."""
        own = f"{self._path}.own"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        fd = os.open(own, flags, 0o666, dir_fd=self._directory)
        try:
            while piece := os.read(shared, READ_BYTES):
                write_whole(fd, piece)
            os.replace(own, self._path, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            os.dup2(fd, shared, inheritable=False)
        finally:
            os.close(fd)

    def tail(self, size: int) -> bytes:
        """See `ports.BodyWriter`."""
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
        """See `ports.Sink.write`."""
        borrowed = self._out.collect(data)
        self.offset += len(data)
        if self._fd is None:
            if self.offset <= SMALL_BODY_BYTES:
                return None
            self._open_large(os.O_EXCL)
        return self._out.flush(borrowed)

    def segment(self, offset: int) -> FileWriter:
        """See `ports.BodyWriter`. The caller closes the segment before it closes or restarts the body."""

        def put(piece: memoryview) -> int:
            assert self._fd is not None
            return os.pwrite(self._fd, piece, out.written)

        out = FileWriter(self._threads, self._path, put)
        out.written = offset
        return out

    def follow(self, end: int) -> None:
        """See `ports.BodyWriter`. One call digests no more than `MAX_FOLLOW_BYTES`, in the thread."""
        if self._out.idle and end > self.offset:
            self._out.run(partial(self._digest_stored, min(end, self.offset + MAX_FOLLOW_BYTES)))

    def _digest_stored(self, end: int) -> None:
        """In the thread. What was written just now is still in the page cache."""
        assert self._fd is not None
        while (at := self._out.written) < end:
            piece = os.pread(self._fd, min(READ_BYTES, end - at), at)
            if not piece:
                raise DiskFailing(f"{self._path}: the file system lost bytes that it had accepted")
            self.digests.update(piece)
            self._out.written = self.offset = os.lseek(self._fd, at + len(piece), os.SEEK_SET)
            self._add_checkpoint()

    async def clone(self, source: int) -> bool:
        """See `ports.BodyWriter`. For a body that has its file: a small one is read sooner."""
        if self._fd is None:
            return False
        size = await asyncio.to_thread(_clone, self._fd, source)
        while self.offset < size:
            self.follow(size)
            await self.settled()
        return size > 0

    async def drained(self) -> None:
        """See `ports.BodyWriter`."""
        await self._out.drained()

    def _put(self, piece: memoryview) -> int:
        assert self._fd is not None
        return os.write(self._fd, piece)

    def _add_checkpoint(self) -> None:
        self.digests.add_checkpoint(self._out.written)

    async def settled(self) -> None:
        """Wait for the write in flight: before it has ended the file must not be renamed or truncated."""
        await self._out.settled()

    async def complete(self) -> dict[str, bytes]:
        """See `ports.BodyWriter`."""
        if self._fd is not None:
            await self._out.drained()
            if os.fstat(self._fd).st_size != self.offset:
                raise DiskFailing(f"{self._path}: the file system lost bytes that it had accepted")
        else:
            for piece in self._out.pending:
                self.digests.update(piece)
        return self.digests.result()

    async def inspect(self, examine: Callable[[BinaryIO], T]) -> T:
        """See `ports.BodyWriter`."""
        results: list[T] = []

        def examine_body() -> None:
            with self._open_complete() as file:
                results.append(examine(file))

        self._out.run(examine_body)
        await self.settled()
        return results[0]

    def _open_complete(self) -> BinaryIO:
        if self.in_memory:
            return BytesIO(b"".join(self._out.pending))
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        return open(self._fd, "rb", buffering=0, closefd=False)

    def finish(self, sync: bool) -> int:
        """Write and close the file of the complete body, to be renamed; returns its mtime in nanoseconds.

        May be called again after it failed, if the body is still `in_memory`.
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
        self._delete_file()
        self._open(os.O_EXCL)
        assert self._fd is not None
        pending = self._out.pending
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        write_whole(self._fd, data)

    async def close(self, *, keep: bool = True) -> None:
        """Wait for the write in flight and close the file. `keep`: write pending bytes first, if the disk
        takes them. May be called more than once; a cancellation is raised after all this is done."""
        try:
            await self._out.close()
        finally:
            if keep and self._fd is not None and self._out.written + self._out.pending_bytes == self.offset:
                # The next run need not receive them again.
                with contextlib.suppress(OSError):
                    self._out.write_pending()
                    self.digests.add_checkpoint(self._out.written, last=True)
            self._close_file()


def _clone(target: int, source: int) -> int:
    """The size of a file after it became a clone of another one; 0 where the file system cannot."""
    try:
        from fcntl import ioctl

        ioctl(target, FICLONE, source)
    except (ImportError, OSError):
        return 0
    return os.fstat(target).st_size


class BodyDigests:
    """The digests of a body from its first byte on, and the checkpoints of them, if there are any."""

    def __init__(self) -> None:
        self._hashes: Mapping[str, Hasher] = {}
        self._noted_bytes = 0
        self.checkpoints: Checkpoints | None = None

    def begin(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: checksum.hasher(name) for name in {"sha256", *algorithms}}
        self._noted_bytes = 0

    def update(self, piece: Buffer) -> None:
        for digest in self._hashes.values():
            digest.update(piece)

    def add_checkpoint(self, written: int, *, last: bool = False) -> None:
        """Note that so many bytes are written and that the digest computed so far is theirs. Raises OSError.

        Does nothing soon after the checkpoint before, unless this is the `last` one.
        """
        checkpoints = self.checkpoints
        if checkpoints is not None and written - self._noted_bytes >= (1 if last else checkpoints.spacing):
            checkpoints.add(written, self._hashes["sha256"])
            self._noted_bytes = written

    def restore(self, fd: int, total: int) -> int:
        """How many bytes of a file the checkpoints prove; the digests are those of these bytes then."""
        assert self.checkpoints is not None
        self._noted_bytes, self._hashes = self.checkpoints.proven(fd, self._hashes, total)
        return self._noted_bytes

    def result(self) -> dict[str, bytes]:
        return {name: digest.digest() for name, digest in self._hashes.items()}
