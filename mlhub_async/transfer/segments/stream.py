"""One part of a body, asked for by itself: the sink that takes its answer, or refuses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from ...core.concurrency import LazyAwaitable
from ...core.model import Head, Request
from ...core.ports import Buffer
from ...core.urls import canonical
from ...http.decoding import AS_STORED, encoded
from ...http.status import OK, PARTIAL_CONTENT
from ...http.validators import content_length, content_range, repeats
from ...storage.local.body import BodyWriter
from .allocation import Segment


class SegmentBoundary(Exception):
    """A stream has come to where the bytes of another one begin."""


async def meet(busy: Awaitable[None] | None) -> None:
    """Raise `Met` when what came before is where it belongs."""
    if busy is not None:
        await busy
    raise SegmentBoundary


class RangeRefused(Exception):
    """Not the bytes that were asked for. `whole`: all of them came, as if none had been asked for."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__("not the part that was asked for")
        self.whole = whole


@dataclass(frozen=True, slots=True)
class SegmentTarget:
    """What all parts are of: the body, how it was asked for and answered, its strong ETag and its bytes.

    `count` hears of all that comes.
    """

    url: str
    head: Head
    etag: str
    total: int
    body: BodyWriter
    count: Callable[[int], None]


class SegmentSink:
    """Puts the bytes of one claim where they belong. `came` is called after each piece."""

    def __init__(self, claim: Segment, whole: SegmentTarget, came: Callable[[SegmentSink], None]) -> None:
        self.claim = claim
        self.first = claim.at
        self._whole = whole
        self._out = whole.body.patch(claim.at)
        self._came = came

    @property
    def landed(self) -> int:
        """Where what is in the file ends."""
        return self._out.written

    def request(self) -> Request:
        asked = f"bytes={self.claim.at}-{self.claim.limit - 1}"
        return Request(self._whole.url, headers={**AS_STORED, "range": asked, "if-match": self._whole.etag})

    def start(self, head: Head) -> None:
        """A server may give less than was asked for, if it says where that ends."""
        span, claim, whole = content_range(head.headers), self.claim, self._whole
        fits = (
            head.status == PARTIAL_CONTENT
            and span is not None
            and span.first == claim.at
            and claim.at <= span.last < claim.limit
            and span.total == whole.total
            and repeats(head.headers, whole.etag)
            and content_length(head.headers) in (None, span.last - span.first + 1)
            and not encoded(head.headers)
            and canonical(head.url) == canonical(whole.head.url)
        )
        if not fits or span is None:
            raise RangeRefused(whole=head.status == OK)
        claim.limit = span.last + 1

    def write(self, data: Buffer) -> Awaitable[None] | None:
        claim = self.claim
        self._whole.count(len(data))
        if claim.at + len(data) > claim.limit:
            raise RangeRefused
        data = data[: claim.left]
        claim.at += len(data)
        busy = self._out.flow(self._out.collect(data))
        self._came(self)
        if not claim.left and claim.stop < claim.limit:
            claim.end()
            return LazyAwaitable(partial(meet, busy))
        return busy

    async def drained(self) -> None:
        """Return when all that came is in the file."""
        await self._out.drained()

    async def rest(self) -> None:
        """Return when nothing of it is under way to the disk any more, even if cancelled meanwhile."""
        try:
            await self._out.wait_until_idle()
        finally:
            self._out.stop()
