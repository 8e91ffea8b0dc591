"""The members of a tar archive, which is read as a stream: once, from its first byte to its last."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from .....core.concurrency import wait_until_idle
from .....core.errors import Corrupt, TransferError
from .....core.formats.archives.errors import ArchiveCut, ArchiveDefect
from .....core.formats.archives.tar_stream import TarStream, is_tar
from .....core.model import Head, Request
from .....core.ports import Buffer, Send, Sink
from .....core.urls import canonical, redacted
from .....http.decoding.decoders import (
    GZIP_BEGIN,
    ZSTD_BEGIN,
    ZSTD_SKIPPABLE_BEGIN,
    Decoder,
    DecodingError,
    gzip_member,
    zstd_member,
)
from .....http.status import NOT_FOUND, refused
from .....storage.os_errors import storage_error
from ....items.streams import RawReader
from ..answers import MemberAnswer
from ..stream import ArchiveStream, Unchanged
from ..workspace import Workspace
from .unpacked import TarMember, UnpackedMembers

STEP_BYTES = 64 << 10
MAX_UNPACKED_BYTES = 96 << 20
"""The most that so many bytes can be unpacked to by gzip and, as it is used here, by zstd."""
_OTHER = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x1f\x9d": "compress"}


class TarMembers:
    """See `ports.Members`. `base` begins the URLs of the members. Raises `StorageError` as well."""

    def __init__(self, url: str, base: str, reader: RawReader, workspace: Workspace) -> None:
        self._url = url
        self._base = base
        self._reader = reader
        self.unpacked = UnpackedMembers(workspace.folder, keeps_data=workspace.is_kept)
        self._unpacking = asyncio.Lock()
        self.validator = ""
        """of the version that is known; "" if there is none by which a later run could ask for another one"""

    async def open(self) -> None:
        """Know the members: by the index of an earlier run if the archive is unchanged since, else by reading
        it. What is whole of an archive that is not is there when `ArchiveCut` or `Transient` is raised."""
        await self._unpack(self.unpacked.load(canonical(self._url)))

    async def _unpack(self, known: str) -> None:
        stream, self.validator = ArchiveStream(self._url, known), known
        unpacker = _Unpacker(self.unpacked)
        try:
            try:
                await stream.read(self._reader, unpacker.take)
                await _in_thread(unpacker.finish)
            except Unchanged:
                return
            finally:
                if unpacker.begun:
                    self.unpacked.finish()
            self.validator = stream.validator
            self.unpacked.save(canonical(self._url), stream.validator)
        except OSError as error:
            raise storage_error(error, "the unpacked archive") from error

    async def get(self, request: Request, sink: Sink, send: Send) -> Head:
        member = self._find(request.url)
        answer = MemberAnswer(request, sink, member.size, member.etag)
        if not answer.unchanged:
            if member.is_document and not self.unpacked.is_intact(member):
                self.unpacked.forget()
            if not self.unpacked.has(member):
                member = await self._unpack_again(request.url)
            await self._push(member, answer)
        answer.begin()
        return answer.head

    async def _push(self, member: TarMember, answer: MemberAnswer) -> None:
        crc = count = 0
        try:
            for piece in self.unpacked.pieces(member):
                crc, count = zlib.crc32(piece, crc), count + len(piece)
                if (busy := answer.write(piece)) is not None:
                    await busy
        except OSError as error:
            raise storage_error(error, "the unpacked archive") from error
        if (crc, count) != (member.crc, member.size):
            self.unpacked.forget()
            where = redacted(answer.head.url)
            raise Corrupt(f"{where}: its bytes were changed on this disk", kind="checksum-mismatch")

    async def _unpack_again(self, url: str) -> TarMember:
        """Its data was wanted by no earlier run, or has been removed from DEST since."""
        async with self._unpacking:
            member = self._find(url)
            if not self.unpacked.has(member):
                try:
                    await self._unpack("")
                except ArchiveDefect as error:
                    raise TransferError(f"{redacted(self._url)} {error}", kind="damaged-archive") from None
        return self._find(url)

    def _find(self, url: str) -> TarMember:
        path = url.removeprefix(self._base).partition("?")[0]
        member = self.unpacked.member(unquote(path)) or self.unpacked.member(path)
        if member is None:
            raise refused(NOT_FOUND, f"{redacted(url)}: the archive has no such member")
        return member


class _Unpacker:
    """Takes the bytes of an archive as they come, in a thread each time."""

    def __init__(self, members: UnpackedMembers) -> None:
        self.begun = False
        self._members = members
        self._tar = TarStream(members)
        self._decoder: Decoder | None = None
        self._first = b""

    def take(self, data: Buffer) -> Awaitable[None]:
        copy = bytes(data)
        return _in_thread(lambda: self._feed(copy))

    def finish(self) -> None:
        """Raises `ArchiveCut` if the stream ended before the archive, `ArchiveDefect` for what is none."""
        if not self.begun:
            self._begin()
        if self._decoder is not None and not self._decoder.ended:
            raise ArchiveCut("is cut: the end of its compressed data is missing")
        self._tar.finish()

    def _feed(self, data: bytes) -> None:
        if not self.begun:
            self._first += data
            if len(self._first) >= STEP_BYTES:
                self._begin()
            return
        if self._decoder is None:
            self._tar.feed(data)
            return
        view = memoryview(data)
        for at in range(0, len(view), STEP_BYTES):
            try:
                piece = self._decoder.feed(view[at : at + STEP_BYTES], MAX_UNPACKED_BYTES)
            except DecodingError as error:
                raise ArchiveDefect(f"has damaged compressed data ({error})") from None
            self._tar.feed(piece)

    def _begin(self) -> None:
        first, self._first = self._first, b""
        if first.startswith(GZIP_BEGIN):
            self._decoder = Decoder(gzip_member)
        elif first.startswith((ZSTD_BEGIN, *ZSTD_SKIPPABLE_BEGIN)):
            self._decoder = Decoder(zstd_member)
        elif not is_tar(first):
            named = next((name for begin, name in _OTHER.items() if first.startswith(begin)), "")
            what = f"is compressed by {named}, which is not read" if named else "is no tar archive"
            raise ArchiveDefect(what)
        self._members.clear()
        self.begun = True
        self._feed(first)


async def _in_thread(call: Callable[[], None]) -> None:
    """Return when the call has ended in a thread, also when cancelled meanwhile."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    await wait_until_idle(lambda: () if running.done() else (running,))
    running.result()
