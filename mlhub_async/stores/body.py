"""The unfinished bytes of one asset: in memory while they are few, else in a partial file.

Digests are taken as the bytes come, so nothing is read twice. Nothing here has a final name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from .. import checksum
from ..errors import DiskFailing, DiskFull
from ..flow import Later
from ..ports import Buffer
from .disk import LEAST, Disk
from .journal import Journal
from .tree import storage_error

if TYPE_CHECKING:
    from ..checksum import Hasher

T = TypeVar("T")

SMALL = 256 << 10
"""Up to so many bytes stay in memory and are written at once: one open, write, close and rename.
A thread hop per file was measured at 1.5 times the cost of the whole transfer of 16 KiB."""
LENT = 512 << 10
"""A view of so many bytes is neither copied nor collected: who writes it waits until it is on the disk."""
SHARE = 8
"""Of a body of known size no more than this part waits for its next hop: the disk works meanwhile."""


class Body:
    """Collects one representation from its first byte on. One writer at a time; `close` it always.

    With a `journal`, what was written is noted there: it is proven to a later run.
    """

    def __init__(self, path: str, directory: int | None, disk: Disk) -> None:
        self._path = path
        self._directory = directory
        self._disk = disk
        self._fd: int | None = None
        self._writer = False
        self._share = LEAST
        self._hashes: Mapping[str, Hasher] = {}
        self._pending: list[Buffer] = []
        self._pending_size = 0
        self._batch: deque[Buffer] = deque()
        self._torn = memoryview(b"")
        self._written = 0
        self._marked = 0
        self._writing: asyncio.Future[None] | None = None
        self.journal: Journal | None = None
        self.offset = 0
        self.was_opened = False
        self.in_memory = True
        """all of it is still here, whatever became of the file"""

    @property
    def path(self) -> str:
        return self._path

    def begin(self, algorithms: Iterable[str], size: int | None = None) -> None:
        """Start (again) with no bytes at all. `size`: that of the body, where it is known already."""
        assert self._writing is None or self._writing.done(), "begun anew under a write in flight"
        self._hashes = {name: checksum.hasher(name) for name in ("sha256", *algorithms)}
        self._pending.clear()
        self._batch.clear()
        self._torn = memoryview(b"")
        self._pending_size = self._written = self._marked = self.offset = 0
        self._forget_file()
        if size is not None and size > SMALL:
            self._open_large(os.O_EXCL)
        self._share = max(LEAST, (size or 0) // SHARE)

    async def adopt(self, algorithms: Iterable[str], total: int) -> None:
        """Go on with the bytes that are there, as far as the journal proves them; the rest is cut off."""
        self._hashes = {name: checksum.hasher(name) for name in {"sha256", *algorithms}}
        self._share = max(LEAST, total // SHARE)
        self._open_large(0)
        self._writing = asyncio.get_running_loop().run_in_executor(self._disk.pool, self._prove, total)
        await self.settled()

    def _forget_file(self) -> None:
        """What begins anew has another file. An old one is never emptied: where locks do nothing another
        run may have taken it over, and go on with it."""
        if self.was_opened:
            self._let_go()
            self.was_opened, self.in_memory = False, True
            with contextlib.suppress(OSError):
                os.unlink(self._path, dir_fd=self._directory)

    def _let_go(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):  # of bytes that are lost now the journal proves nothing
                os.close(fd)
        if self._writer:
            self._writer = False
            self._disk.leave()

    def _open_large(self, extra: int) -> None:
        self._open(extra)
        self._writer, self.in_memory = True, False
        self._disk.enter()

    def _open(self, extra: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | extra | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(self._path, flags, 0o666, dir_fd=self._directory)
            self.was_opened = True
        except OSError as error:
            raise storage_error(error, self._path) from None

    def _prove(self, total: int) -> None:
        """In the disk thread: keep what is proven."""
        assert self._fd is not None and self.journal is not None
        proven, self._hashes = self.journal.proven(self._fd, self._hashes, total)
        os.ftruncate(self._fd, proven)
        os.lseek(self._fd, proven, os.SEEK_SET)
        self.offset = self._written = self._marked = proven

    def tail(self, size: int) -> bytes:
        """The last bytes there are, at most so many; not while a write is in flight."""
        last = b"".join(self._pending)[-size:] if size else b""
        if len(last) < size and self._fd is not None:
            try:
                os.lseek(self._fd, max(self._written - size + len(last), 0), os.SEEK_SET)
                last = os.read(self._fd, size - len(last)) + last
                os.lseek(self._fd, self._written, os.SEEK_SET)
            except OSError as error:
                raise storage_error(error, self._path) from None
        return last

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """Take bytes; an awaitable when the disk is behind and the caller must wait. See `ports.Sink`."""
        lent = len(data) >= LENT and not isinstance(data, bytes)
        self._pending.append(data if lent or isinstance(data, bytes) else bytes(data))
        self._pending_size += len(data)
        self.offset += len(data)
        if self._fd is None:
            if self.offset <= SMALL:
                return None
            self._open_large(os.O_EXCL)
        if not lent and self._pending_size < self._share and self._pending_size < self._disk.batch:
            return None
        if self._writing is None or (self._writing.done() and self._writing.exception() is None):
            self._start_writing()
            return Later(self.settled) if lent else None
        return Later(partial(self._write_next, lent))

    async def _write_next(self, lent: bool) -> None:
        await self.settled()
        self._start_writing()
        if lent:
            await self.settled()

    def _start_writing(self) -> None:
        self._raise_failure()
        self._batch.extend(self._pending)
        self._pending, self._pending_size = [], 0
        self._submit()

    def _submit(self) -> None:
        self._writing = asyncio.get_running_loop().run_in_executor(self._disk.pool, self._write_out)

    def _write_out(self) -> None:
        """In the disk thread: hash while the bytes are in the cache, then write them where they belong.

        Called again after the disk refused it goes on with the very next byte.
        """
        assert self._fd is not None
        while self._torn or self._batch:
            if not self._torn:
                piece = self._batch.popleft()
                for digest in self._hashes.values():
                    digest.update(piece)
                self._torn = memoryview(piece)
            done = os.write(self._fd, self._torn)
            self._written += done
            self._torn = self._torn[done:]
        if self.journal is not None and self._written - self._marked >= self.journal.spacing:
            self._mark(self.journal)

    def _mark(self, journal: Journal) -> None:
        """The digest of what was written costs nothing: it is on its way to that of the whole."""
        journal.add(self._written, self._hashes["sha256"])
        self._marked = self._written

    async def settled(self) -> None:
        """Wait for the write in flight: before it has ended the file must not be moved or begun anew."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
            try:
                self._raise_failure()
            except DiskFull as full:
                await self._disk.wait_for_room(full)
                self._submit()

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

    async def look(self, at: Callable[[BinaryIO], T]) -> T:
        """What a function finds in the whole of the bytes, which are complete; it runs in the disk thread."""
        found: list[T] = []

        def looking() -> None:
            with self._whole() as file:
                found.append(at(file))

        self._writing = asyncio.get_running_loop().run_in_executor(self._disk.pool, looking)
        await self.settled()
        return found[0]

    def _whole(self) -> BinaryIO:
        if self.in_memory:
            return BytesIO(b"".join(self._pending))
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        return open(self._fd, "rb", buffering=0, closefd=False)

    async def in_thread(self, call: Callable[[bool], int], sync: bool) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._disk.pool, call, sync)

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
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        if data and os.write(self._fd, data) != len(data):
            raise DiskFull(f"{self._path}: the disk is full; free some space, then run again")

    async def close(self, *, keep: bool = True) -> None:
        """End the write in flight and close the file. `keep`: write what is not written yet, where that
        goes. May be called more than once; a cancellation is raised when all of it is done."""
        try:
            await self._at_rest()
        finally:
            if self._writing is not None:
                self._writing.exception()  # whoever closes has been told of it, or does not need the bytes
                self._writing = None
            if keep and self._fd is not None and self._written + self._pending_size == self.offset:
                self._keep_pending()
            self._let_go()

    async def _at_rest(self) -> None:
        """Wait for the write in flight whatever happens: its thread has the file, and its bytes."""
        cancelled = None
        while self._writing is not None and not self._writing.done():
            try:
                await asyncio.wait([self._writing])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _keep_pending(self) -> None:
        """Bytes that were received are worth keeping for the next run, where the disk takes them."""
        with contextlib.suppress(OSError):
            self._batch.extend(self._pending)
            self._write_out()
            if self.journal is not None and self._written > self._marked:
                self._mark(self.journal)
        self._pending = []
