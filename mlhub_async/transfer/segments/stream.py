"""The response sink of one segment: it takes the answer to one range request, or refuses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ...core.concurrency import LazyAwaitable
from ...core.model import Head, Request
from ...core.urls import canonical
from ...http.decoding.body import AS_STORED, is_encoded
from ...http.status import OK, PARTIAL_CONTENT
from ...http.validators import content_length, content_range, has_validator, is_later, modified_at
from .allocation import Segment

if TYPE_CHECKING:
    from ...core.ports import BodyWriter, Buffer


class SegmentBoundary(Exception):
    """A stream has come to the bytes that another one brings: its answer is not needed any further."""


async def stop_at_boundary(writing: Awaitable[None] | None) -> None:
    """Raise `SegmentBoundary` when `writing` is done."""
    if writing is not None:
        await writing
    raise SegmentBoundary


class RangeRefused(Exception):
    """The answer does not carry the bytes asked for. `whole_body`: it was a 200, as if without a range."""

    def __init__(self, *, whole_body: bool = False) -> None:
        super().__init__("the answer is not the range that was asked for")
        self.whole_body = whole_body


class SegmentTarget(NamedTuple):
    """The body that segments are of, as the transfer's own request began or continued it.

    `url` is what was asked for, `head` its answer, `validator` that of the version, `total` its length in
    bytes where it is known. `count_received` is called with the size of every piece that arrives. `auth`: see
    `Request`. `path` is that of the file in DEST.
    """

    url: str
    head: Head
    validator: str
    total: int | None
    body: BodyWriter
    count_received: Callable[[int], None]
    auth: tuple[str, ...] = ()
    path: str = ""


class SegmentSink:
    """Writes the bytes of one segment where they belong in the file.

    `arrived` is called after each piece. Await `wait_until_idle` in the end, whatever happened.
    """

    def __init__(
        self, segment: Segment, target: SegmentTarget, arrived: Callable[[SegmentSink], None]
    ) -> None:
        self.segment = segment
        self.first = segment.position
        self._target = target
        self._writer = target.body.segment(segment.position)
        self._arrived = arrived

    @property
    def written_end(self) -> int:
        """Where the bytes of this segment end that are in the file."""
        return self._writer.written

    def request(self) -> Request:
        """A request for the segment and what follows it, for this version only (RFC 9110 section 13.1.1)."""
        asked = f"bytes={self.segment.position}-{self.segment.limit - 1}"
        fields = {**AS_STORED, "range": asked, "if-match": self._target.validator}
        return Request(self._target.url, headers=fields, auth=self._target.auth)

    def start(self, head: Head) -> None:
        """Take a 206 of the same version that begins where it was asked to; it may end earlier.

        Raises `RangeRefused` for any other answer.
        """
        span, segment, target = content_range(head.headers), self.segment, self._target
        fits = (
            head.status == PARTIAL_CONTENT
            and span is not None
            and span.first == segment.position
            and segment.position <= span.last < segment.limit
            and span.total == target.total
            and has_validator(head.headers, target.validator)
            and not is_later(head.headers, modified_at(target.head.headers))
            and content_length(head.headers) in (None, span.last - span.first + 1)
            and not is_encoded(head.headers, target.path)
            and canonical(head.url) == canonical(target.head.url)
        )
        if not fits or span is None:
            raise RangeRefused(whole_body=head.status == OK)
        segment.limit = span.last + 1

    def write(self, data: Buffer) -> Awaitable[None] | None:
        segment = self.segment
        self._target.count_received(len(data))
        if segment.position + len(data) > segment.limit:
            raise RangeRefused
        data = data[: segment.left]
        segment.position += len(data)
        writing = self._writer.write(data)
        self._arrived(self)
        if not segment.left and segment.stop < segment.limit:
            segment.end()
            return LazyAwaitable(partial(stop_at_boundary, writing))
        return writing

    async def drained(self) -> None:
        """Return when all bytes that arrived are in the file. Raises `StorageError`."""
        await self._writer.drained()

    async def wait_until_idle(self) -> None:
        """Return when no write of this segment is under way any more, even if cancelled meanwhile."""
        await self._writer.close()
