"""The bytes of one version of an archive, asked for by ranges (RFC 9110 section 14)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ....core.errors import TransferError, Transient
from ....core.model import Head, Request
from ....core.ports import Buffer, Send
from ....core.urls import redacted
from ....http.decoding.body import AS_STORED, is_encoded
from ....http.status import OK, PARTIAL_CONTENT, PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE
from ....http.validators import content_length, content_range, is_later, modified_at

DAMAGED_ARCHIVE = "damaged-archive"
"""The kind of the errors for what is no archive, or a broken one."""
Take = Callable[[Buffer], Awaitable[None] | None]


class RangesRefused(TransferError):
    """The server sends the whole archive where a range of it was asked for."""

    kind = "no-ranges"


class ArchiveBytes:
    """One version of the archive at `url`. `total` and validator are those of the first answer.

    All answers must repeat them: bytes of two versions are never mixed. `what` is what an empty one is said
    not to be.
    """

    def __init__(self, url: str, what: str = "ZIP archive") -> None:
        self.url = url
        self.what = what
        self.where = redacted(url)
        self.total = -1
        self.validator = ""
        self._modified = 0.0
        self.whole: bytes | None = None
        """all of a small archive that came in place of its first range: there may be no ranges of it"""
        self._is_whole = False

    async def read(self, send: Send, first: int, end: int) -> bytes:
        """The bytes from `first` to before `end`, or to the end of the archive. Makes one attempt."""
        pieces: list[bytes] = []
        await self.stream(send, first, end, lambda data: pieces.append(bytes(data)))
        data = b"".join(pieces)
        if self._is_whole and self.whole is None:
            self.whole = data
        return data

    async def stream(self, send: Send, first: int, end: int, take: Take) -> None:
        """The same, given to `take` as they come.

        Raises `RangesRefused`, or `Transient`: with `final` if the archive has changed meanwhile.
        """
        if self.total >= 0:
            end = min(end, self.total)
        if self.whole is not None:
            if (busy := take(self.whole[first:end])) is not None:
                await busy
            return
        fields = {**AS_STORED, "range": f"bytes={first}-{end - 1}"}
        if self.validator.startswith('"'):
            fields["if-match"] = self.validator
        sink = _RangeSink(self, first, end, take)
        await send(Request(self.url, headers=fields), sink)
        if sink.position != min(end, self.total):
            raise Transient(f"{self.where}: the answer has fewer bytes than asked for", kind="truncated")

    def check(self, head: Head, first: int, end: int) -> None:
        """Whether an answer brings what was asked for, of this version; notes the version of the first."""
        if head.status == RANGE_NOT_SATISFIABLE and self.total < 0:
            raise TransferError(f"{self.where} is no {self.what}: it is empty", kind=DAMAGED_ARCHIVE)
        if head.status in (PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE):
            raise self._changed()
        total = self._total_of(head, first, end)
        tag = head.headers.get("etag", "") or head.headers.get("last-modified", "")
        if self.total < 0:
            self.total, self.validator, self._modified = total, tag, modified_at(head.headers)
        elif total != self.total or tag != self.validator or is_later(head.headers, self._modified):
            raise self._changed()

    def _total_of(self, head: Head, first: int, end: int) -> int:
        """The size of the archive by an answer that has the range; so has one that is the whole of a small
        archive."""
        span, length = content_range(head.headers), content_length(head.headers)
        if is_encoded(head.headers, self.url.partition("?")[0]):
            raise RangesRefused(f"{self.where}: the server sends it encoded")
        if span is not None and span.first == first and span.total is not None:
            if length in (None, span.last + 1 - first):
                return span.total
        elif span is None and head.status == OK and first == 0 and length is not None and length <= end:
            self._is_whole = True
            return length
        if head.status == PARTIAL_CONTENT and span is None:
            raise Transient(f"{self.where}: an answer that does not say its range", kind="range", tries=3)
        raise RangesRefused(f"{self.where}: the server sends no ranges of it, or other ones than asked for")

    def _changed(self) -> Transient:
        error = Transient(
            f"{self.where}: the archive was changed while it was read; run again", kind="changed"
        )
        error.final = True
        return error


class _RangeSink:
    def __init__(self, archive: ArchiveBytes, first: int, end: int, take: Take) -> None:
        self._archive = archive
        self.position = first
        self._end = end
        self._take = take

    def start(self, head: Head) -> None:
        self._archive.check(head, self.position, self._end)

    def write(self, data: Buffer) -> Awaitable[None] | None:
        piece = data[: self._end - self.position]
        self.position += len(piece)
        return self._take(piece) if piece else None
