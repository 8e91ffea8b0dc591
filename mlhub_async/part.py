"""One part of a body, asked for by itself: the sink that takes its answer, or refuses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .decoding import AS_STORED, encoded
from .model import Head
from .ports import Buffer
from .stores.outflow import Outflow
from .urls import canonical
from .validators import content_length, content_range, repeats


class Met(Exception):
    """A stream has come to where the bytes of another one begin."""


class Unfit(Exception):
    """Not the bytes that were asked for. `whole`: all of them came, as if none had been asked for."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__("not the part that was asked for")
        self.whole = whole


@dataclass(slots=True)
class Claim:
    """What one stream is to bring: from `at`, its next byte, to before `stop`. It could go on to `limit`."""

    at: int
    stop: int
    limit: int

    @property
    def left(self) -> int:
        return self.stop - self.at

    def end(self) -> None:
        """The stream is over: nobody must count on more of it."""
        self.limit = self.stop


@dataclass(frozen=True, slots=True)
class Version:
    """Of what all parts must be: where it is, its strong ETag, its number of bytes."""

    url: str
    etag: str
    total: int


class Part:
    """Puts the bytes of one claim where they belong. `came` hears of each piece, and of its size."""

    def __init__(
        self, claim: Claim, version: Version, out: Outflow, came: Callable[[Part, int], None]
    ) -> None:
        self.claim = claim
        self.first = claim.at
        self._version = version
        self._out = out
        self._came = came

    @property
    def landed(self) -> int:
        """Where what is in the file ends."""
        return self._out.written

    def fields(self) -> dict[str, str]:
        asked = f"bytes={self.claim.at}-{self.claim.limit - 1}"
        return {**AS_STORED, "range": asked, "if-match": self._version.etag}

    def start(self, head: Head) -> None:
        """A server may give less than was asked for, of which it must say where it ends."""
        span, claim, version = content_range(head.headers), self.claim, self._version
        fits = (
            head.status == 206
            and span is not None
            and span.first == claim.at
            and claim.at <= span.last < claim.limit
            and span.total == version.total
            and repeats(head.headers, version.etag)
            and content_length(head.headers) in (None, span.last - span.first + 1)
            and not encoded(head.headers)
            and canonical(head.url) == canonical(version.url)
        )
        if not fits or span is None:
            raise Unfit(whole=head.status == 200)
        claim.limit = span.last + 1

    def write(self, data: Buffer) -> Awaitable[None] | None:
        claim, size = self.claim, len(data)
        if claim.at + size > claim.limit:
            raise Unfit
        data = data[: claim.left]
        claim.at += len(data)
        busy = self._out.flow(self._out.collect(data))
        self._came(self, size)
        if not claim.left and claim.stop < claim.limit:
            claim.end()
            raise Met
        return busy

    async def drained(self) -> None:
        await self._out.drained()

    async def rest(self) -> None:
        """Return when nothing of it is under way to the disk any more, even if cancelled meanwhile."""
        try:
            await self._out.at_rest()
        finally:
            self._out.stop()
