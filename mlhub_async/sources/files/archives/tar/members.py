"""The members of a tar archive, which is read as a stream: once, from its first byte to its last."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import cast
from urllib.parse import unquote

from .....core.errors import Corrupt, TransferError
from .....core.formats.archives.errors import ArchiveDefect
from .....core.model import Head, Request, Version
from .....core.ports import Send, Sink
from .....core.ports.members import MemberOrder, TakeMember, UnpackedFile
from .....core.urls import canonical, redacted
from .....http.status import NOT_FOUND, refused
from .....storage.os_errors import storage_error
from ....items.streams import RawReader
from ..addresses import ArchiveFile
from ..answers import MemberAnswer
from ..stream import ArchiveStream, PublishedBytes, Unchanged
from ..workspace import Workspace
from .data_files import TarMember
from .unpacked import UnpackedMembers
from .unpacker import Unpacker, UnpackingThreads


class TarMembers:
    """See `ports.Members`. `base` begins the URLs of the members. Raises `StorageError` as well."""

    are_files = True

    def __init__(self, archive: ArchiveFile, base: str, reader: RawReader, workspace: Workspace) -> None:
        self._archive = archive
        self._url = archive.url
        self._published = PublishedBytes(archive)
        self._base = base
        self._reader = reader
        self.unpacked = UnpackedMembers(workspace.folder, keeps_data=workspace.is_kept)
        self._unpacking = asyncio.Lock()
        self.validator = ""
        """of the version that is known; "" if there is none by which a later run could ask for another one"""

    async def open(self) -> None:
        """Know the members: by the index of an earlier run if the archive is unchanged since, else by reading
        it. What is whole of an archive that is not is there when `ArchiveCut` or `Transient` is raised."""
        known = self.unpacked.load(canonical(self._url))
        if known and known == self._published.version:
            self.validator = known
        else:
            await self._unpack(known)

    async def _unpack(self, known: str) -> None:
        await self._published.read_twice_if_wrong(lambda: self._unpack_once(known))

    async def _unpack_once(self, known: str) -> None:
        stream, self.validator = ArchiveStream(self._archive, known, self.unpacked.modified), known
        unpacker = Unpacker(self.unpacked)
        threads = UnpackingThreads(unpacker)
        try:
            try:
                await stream.read(self._reader, self._published.taking(threads.take))
                self._published.check()
                await threads.finish()
            except Unchanged:
                return
            finally:
                await threads.close()
                if unpacker.begun:
                    self.unpacked.finish()
            self.validator = self._published.version or stream.validator
            self.unpacked.save(canonical(self._url), self.validator, stream.modified)
        except OSError as error:
            raise storage_error(error, "the unpacked archive") from error

    async def get(self, request: Request, sink: Sink, send: Send) -> Head:
        member = self._find(request.url)
        answer = MemberAnswer(request, sink, member.size, member.etag)
        if not answer.unchanged:
            if member.is_document and not self.unpacked.is_intact(member):
                self.unpacked.forget()
            if not self.unpacked.has(member):
                if not self.unpacked.keeps_data:
                    answer.begin_with_digest(member.sha256)  # it may tell enough
                member = await self._unpack_again(request.url)
            await self._push(member, answer)
        answer.begin()
        return answer.head

    def find(self, url: str) -> TarMember | None:
        """A member that is data, if such were unpacked; see `ports.Members`."""
        member = self._member_at(url) if self.unpacked.has_data else None
        return None if member is None or member.is_document else member

    def version_of(self, url: str) -> Version | None:
        """Of the content of the member at a URL, None where there is none."""
        member = self._member_at(url) if url.startswith(self._base) else None
        return None if member is None else (member.etag, member.size)

    async def read(self, orders: Sequence[MemberOrder], send: Send, take: TakeMember) -> None:
        """See `ports.Members`."""

        def files() -> list[UnpackedFile | None]:
            return [self.unpacked.file(cast(TarMember, order.member)) for order in orders]

        for order, file in zip(orders, await asyncio.to_thread(files), strict=True):
            if file is not None and (busy := take(order, file)) is not None:
                await busy

    def release(self, url: str) -> None:
        """See `ports.Members`."""
        if (member := self._member_at(url)) is not None:
            self.unpacked.release(member)

    async def _push(self, member: TarMember, answer: MemberAnswer) -> None:
        sha256 = hashlib.sha256()
        try:
            for piece in self.unpacked.pieces(member):
                sha256.update(piece)
                if (busy := answer.write(piece)) is not None:
                    await busy
        except OSError as error:
            raise storage_error(error, "the unpacked archive") from error
        if sha256.hexdigest() != member.sha256:
            self.unpacked.forget()
            where = redacted(answer.head.url)
            raise Corrupt(f"{where}: its bytes were changed on this disk", kind="checksum-mismatch")

    async def _unpack_again(self, url: str) -> TarMember:
        """Its data was wanted by no earlier run, has been removed from DEST since, or is not kept at all."""
        async with self._unpacking:
            for _ in range(2):  # the first time tells which member has the bytes of a hard link
                if self.unpacked.has(self._find(url)):
                    break
                self.unpacked.want(self._name_at(url))
                try:
                    await self._unpack("")
                except ArchiveDefect as error:
                    raise TransferError(f"{redacted(self._url)} {error}", kind="damaged-archive") from None
        member = self._find(url)
        if not self.unpacked.has(member):
            raise TransferError(f"{redacted(url)}: its bytes cannot be had", kind="damaged-archive")
        return member

    def _find(self, url: str) -> TarMember:
        member = self._member_at(url)
        if member is None:
            raise refused(NOT_FOUND, f"{redacted(url)}: the archive has no such member")
        return member

    def _member_at(self, url: str) -> TarMember | None:
        return self.unpacked.member(self._name_at(url))

    def _name_at(self, url: str) -> str:
        path = url.removeprefix(self._base).partition("?")[0]
        name = unquote(path)
        return name if self.unpacked.member(name) is not None else path
