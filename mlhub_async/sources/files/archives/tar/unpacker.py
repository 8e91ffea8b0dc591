"""Unpacks a tar archive as its bytes come: decoded in one thread, and stored in another."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from threading import Condition
from typing import cast

from .....core.concurrency import LazyAwaitable, ThreadPool, wait_until_idle
from .....core.formats.archives.errors import ArchiveCut, ArchiveDefect
from .....core.formats.archives.inflate import library
from .....core.formats.archives.other_content import with_reason
from .....core.formats.archives.tar_stream import TarStream, is_tar
from .....core.ports import Buffer
from .....http.decoding.decoders import (
    GZIP_BEGIN,
    ZSTD_BEGIN,
    ZSTD_SKIPPABLE_BEGIN,
    Decoder,
    DecodingError,
    Member,
    zstd_member,
)
from .unpacked import UnpackedMembers

FIRST_BYTES = 64 << 10
"""So many bytes say what an archive is."""
STEP_BYTES = 64 << 10
"""So many bytes are unpacked at a time."""
PIECE_BYTES = 256 << 10
"""The most that gzip gives at a time."""
MAX_ZSTD_BYTES = 96 << 20
"""The most that zstd, as it is used here, can make of `STEP_BYTES`."""
BATCH_BYTES = 256 << 10
"""Decoded bytes that are given to the other thread at a time, or the one piece that is larger."""
MAX_WAITING_BYTES = 512 << 10
"""No more is decoded while so many decoded bytes wait to be stored."""
_OTHER = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x1f\x9d": "compress"}


class Unpacker:
    """Takes the bytes of an archive in order. Raises `ArchiveDefect` and, where it stores, OSError.

    `begun`: enough bytes have come to know what it is, and earlier members were cleared.
    """

    def __init__(self, members: UnpackedMembers) -> None:
        self.begun = False
        self._members = members
        self._tar = TarStream(members)
        self._decoder: Decoder | None = None
        self._limit = PIECE_BYTES
        self._first = b""

    def decoded(self, data: bytes) -> Iterator[list[bytes]]:
        """The bytes of the tar in these bytes, in batches. Each is to be stored, in order."""
        if not self.begun:
            self._first += data
            if len(self._first) < FIRST_BYTES:
                return
            data = self._begin()
        yield from self._batches(data)

    def store(self, batch: list[bytes]) -> None:
        for piece in batch:
            self._tar.feed(piece)

    def rest(self) -> Iterator[list[bytes]]:
        """No more bytes come: the last batches."""
        if not self.begun:
            yield from self._batches(self._begin())

    def finish(self) -> None:
        """All was stored. Raises `ArchiveCut` if the stream ended before the archive."""
        if self._decoder is not None and not self._decoder.ended:
            raise ArchiveCut("is cut: the end of its compressed data is missing")
        self._tar.finish()

    def _batches(self, data: bytes) -> Iterator[list[bytes]]:
        if self._decoder is None:
            yield [data]
            return
        view, batch, size = memoryview(data), list[bytes](), 0
        try:
            for at in range(0, len(view), STEP_BYTES):
                for piece in self._decoder.pieces(view[at : at + STEP_BYTES], self._limit):
                    batch.append(piece)
                    size += len(piece)
                    if size >= BATCH_BYTES:
                        yield batch
                        batch, size = [], 0
        except DecodingError as error:
            if "too much memory" in str(error):
                window = "a window of more than 128 MiB (zstd --long)"
                raise ArchiveDefect(f"needs {window} to be unpacked: do that, and give the folder") from None
            raise ArchiveDefect(f"has damaged compressed data ({error})") from None
        yield batch

    def _begin(self) -> bytes:
        """The first bytes, which say what the archive is."""
        first, self._first = self._first, b""
        if first.startswith(GZIP_BEGIN):
            self._decoder = Decoder(_gzip_member, library().error)
        elif first.startswith((ZSTD_BEGIN, *ZSTD_SKIPPABLE_BEGIN)):
            self._decoder = Decoder(zstd_member)
            self._limit = MAX_ZSTD_BYTES
        elif not is_tar(first):
            named = next((name for begin, name in _OTHER.items() if first.startswith(begin)), "")
            if named:
                raise ArchiveDefect(f"is compressed by {named}, which is not read")
            raise ArchiveDefect(with_reason("is no tar archive", first))
        self._members.clear()
        self.begun = True
        return first


def _gzip_member() -> Member:
    return cast(Member, library().decompressobj(16 + zlib.MAX_WBITS))


class UnpackingThreads:
    """Runs an unpacker in two threads. What one of them raises is raised by the next `take`, or by `finish`.

    `close` has to be awaited in the end: then both are idle.
    """

    def __init__(self, unpacker: Unpacker) -> None:
        self._unpacker = unpacker
        self._decoding, self._storing = ThreadPool(1), ThreadPool(1)
        self._last: Future[None] | None = None
        """the last bytes that are being decoded, or were"""
        self._waiting = 0
        """decoded bytes that are not stored yet"""
        self._changed = Condition()
        """around `_waiting` and `_failure`"""
        self._failure: BaseException | None = None

    def take(self, data: Buffer) -> Awaitable[None] | None:
        """Take the next bytes. Returns what is to be awaited before more are given, or None."""
        before, self._last = self._last, self._submit(bytes(data))
        if before is None:
            return None
        return LazyAwaitable(lambda: _result(before))

    async def finish(self) -> None:
        """No more bytes come. Raises what `Unpacker` raises."""
        if self._last is not None:
            await _result(self._last)
        await _result(self._decoding.submit(self._hand_over, self._unpacker.rest))
        await _result(self._storing.submit(self._check))
        self._unpacker.finish()

    async def close(self) -> None:
        """Return when what was taken is stored or given up, also when cancelled meanwhile."""
        for pool in (self._decoding, self._storing) if self._last is not None else ():
            await _result(pool.submit(_nothing))
            pool.shutdown()

    def _submit(self, data: bytes) -> Future[None]:
        return self._decoding.submit(self._hand_over, lambda: self._unpacker.decoded(data))

    def _hand_over(self, decoded: Callable[[], Iterator[list[bytes]]]) -> None:
        """In the decoding thread: give each batch to the other one."""
        try:
            self._check()
            for batch in decoded():
                size = sum(map(len, batch))
                with self._changed:
                    self._changed.wait_for(self._has_room)
                    self._waiting += size
                self._check()
                self._storing.submit(self._store, batch, size)
        except BaseException as error:
            self._failure = self._failure or error
            raise

    def _has_room(self) -> bool:
        return self._waiting < MAX_WAITING_BYTES or self._failure is not None

    def _store(self, batch: list[bytes], size: int) -> None:
        """In the storing thread."""
        try:
            if self._failure is None:
                self._unpacker.store(batch)
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            with self._changed:
                self._waiting -= size
                self._changed.notify()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


def _nothing() -> None:
    """What a thread does last: then it is idle."""


async def _result(future: Future[None]) -> None:
    """Return when it is done, also when cancelled meanwhile. Raises what it raises."""
    running = asyncio.wrap_future(future)
    await wait_until_idle(lambda: () if running.done() else (running,))
    running.result()
