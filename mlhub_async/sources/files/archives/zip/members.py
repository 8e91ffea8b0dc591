"""The members of a ZIP archive: its directory read by ranges, and each member as a server would send it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Sequence
from functools import partial
from operator import attrgetter
from typing import cast
from urllib.parse import unquote

from .....core.concurrency import gather_pair
from .....core.errors import Corrupt, TransferError, Transient
from .....core.formats.archives.errors import ArchiveCut, ArchiveDefect
from .....core.formats.archives.other_content import may_be_zip, with_reason
from .....core.formats.archives.zip_directory import ZipDirectory, ZipMember
from .....core.formats.archives.zip_end import TAIL_BYTES, EndRecord, end_record
from .....core.formats.archives.zip_member import MemberDecoder, content
from .....core.model import Head, Request, Version
from .....core.ports import Buffer, Send, Sink
from .....core.ports.members import MemberOrder, TakeMember
from .....core.urls import redacted
from .....http.status import NOT_FOUND, refused
from ....items.streams import RawReader
from ..answers import MemberAnswer
from .read_ahead import SMALL_BYTES, ReadAhead, ZipBytes
from .runs import MemberSplitter, ZipOrder, runs_of

_offset = attrgetter("member.offset")
MAX_DIRECTORY_BYTES = 512 << 20
MAX_INTERRUPTED = 64
"""Members that broke off and whose state is kept: the next request is for their missing bytes only."""


async def read_directory(archive: ZipBytes, reader: RawReader) -> ZipDirectory:
    """The directory of an archive, by two or three requests, with retries.

    Raises `ArchiveDefect`, `RangesRefused` and what the reader raises.
    """

    async def read(first: int, end: int) -> bytes:
        return await reader.retry(lambda: archive.read(reader.get, first, end))

    first = await read(0, TAIL_BYTES)
    begin = max(archive.total - TAIL_BYTES, 0)
    tail = await read(begin, archive.total) if begin else first
    end = _end_record(tail, archive.total, first)
    if end.size > MAX_DIRECTORY_BYTES:
        raise ArchiveDefect(f"has a directory of over {MAX_DIRECTORY_BYTES >> 20} MiB")
    if end.offset >= begin:
        raw = tail[end.offset - begin : end.offset - begin + end.size]
    else:
        raw = await read(end.offset, end.offset + end.size)
    return ZipDirectory(raw, end)


def _end_record(tail: bytes, total: int, first: bytes) -> EndRecord:
    try:
        return end_record(tail, total)
    except ArchiveCut:
        if may_be_zip(first):
            raise
        raise ArchiveDefect(with_reason("is no ZIP archive", first)) from None


class ZipMembers:
    """See `ports.Members`. `base` begins the URLs of the members."""

    are_files = False

    def __init__(self, archive: ZipBytes, directory: ZipDirectory, base: str) -> None:
        self.directory = directory
        self._archive = archive
        self._base = base
        self._read_ahead = ReadAhead(archive, directory)
        self._interrupted: OrderedDict[str, MemberDecoder] = OrderedDict()

    async def get(self, request: Request, sink: Sink, send: Send) -> Head:
        """A range is answered as far as it goes to the end; the bytes before it are unpacked once more, but
        where the last answer broke off just there."""
        member = self._find(request.url)
        answer = MemberAnswer(request, sink, member.size, member.etag)
        if answer.unchanged:
            answer.begin()
            return answer.head
        decoder = self._interrupted.pop(member.name, None)
        if decoder is None or decoder.produced != answer.first:
            decoder = MemberDecoder(member)
        else:
            answer.skipped = 0
        try:
            await self._bring(member, decoder, answer, send)
            decoder.finish()
        except ArchiveDefect as defect:
            self._read_ahead.forget(member)
            where = redacted(request.url)
            raise Corrupt(f"{where}: the member {defect}", kind="checksum-mismatch") from None
        except Transient:
            self._keep(member, decoder)
            raise
        answer.begin()
        return answer.head

    def find(self, url: str) -> ZipMember | None:
        """A small member that can be read; see `ports.Members`."""
        member = self._member_at(url)
        if member is None or member.flaw or member.limit - member.offset > SMALL_BYTES:
            return None
        return member

    def version_of(self, url: str) -> Version | None:
        """Of the content of the member at a URL, None where there is none."""
        member = self._member_at(url) if url.startswith(self._base) else None
        return None if member is None else (member.etag, member.size)

    async def read(self, orders: Sequence[MemberOrder], send: Send, take: TakeMember) -> None:
        """See `ports.Members`. Members that were read with others already are not asked for again."""
        missing = await self._give_known(sorted(cast(Sequence[ZipOrder], orders), key=_offset), take)
        members = [order.member for order in missing]
        runs, whole = runs_of(members), partial(_give, take)

        async def read_runs() -> None:
            for numbers in runs:
                first, limit = members[numbers[0]].offset, members[numbers[-1]].limit
                splitter = MemberSplitter(missing[numbers.start : numbers.stop], whole)
                await self._archive.stream(send, first, limit, splitter.take)

        try:
            await gather_pair(read_runs(), read_runs())
        except TransferError:
            return  # whoever asks for one of them by itself is told of it

    async def _give_known(self, orders: list[ZipOrder], take: TakeMember) -> list[ZipOrder]:
        """Give the members whose bytes were read ahead. Returns the orders for the others."""
        if not self._read_ahead.has_any:
            return orders
        missing = []
        for order in orders:
            if (data := self._read_ahead.have(order.member)) is None:
                missing.append(order)
            elif (busy := _give(take, order, data)) is not None:
                await busy
        return missing

    def release(self, url: str) -> None:
        """What was read ahead makes room by itself."""

    def _member_at(self, url: str) -> ZipMember | None:
        path = url.removeprefix(self._base)
        if "%" not in path and "?" not in path:
            return self.directory.member(path)
        path = path.partition("?")[0]
        return self.directory.member(unquote(path)) or self.directory.member(path)

    def _find(self, url: str) -> ZipMember:
        """Raises `TransferError` where there is no such member, or none that can be read."""
        member = self._member_at(url)
        if member is None:
            raise refused(NOT_FOUND, f"{redacted(url)}: the archive has no such member")
        if member.flaw:
            raise TransferError(f"{redacted(url)}: {member.flaw}", kind="unreadable-member")
        return member

    async def _bring(
        self, member: ZipMember, decoder: MemberDecoder, answer: MemberAnswer, send: Send
    ) -> None:
        if member.limit - member.offset <= SMALL_BYTES:
            data = await self._read_ahead.read(member, send)
            if (busy := answer.write_all(decoder.feed(data))) is not None:
                await busy
            return

        def take(data: Buffer) -> Awaitable[None] | None:
            return answer.write_all(decoder.feed(data))

        first = member.offset + decoder.taken
        if not decoder.ended:
            await self._archive.stream(send, first, member.limit, take)

    def _keep(self, member: ZipMember, decoder: MemberDecoder) -> None:
        if decoder.produced and member.limit - member.offset > SMALL_BYTES:
            self._interrupted[member.name] = decoder
            while len(self._interrupted) > MAX_INTERRUPTED:
                self._interrupted.popitem(last=False)


def _give(take: TakeMember, order: ZipOrder, data: memoryview) -> Awaitable[None] | None:
    """Give a member if it is right; else nobody: `get` says what is wrong."""
    try:
        whole = content(order.member, data)
    except ArchiveDefect:
        return None
    return take(order, whole)
