"""One large body brought by several streams: when another one is worth it, and what becomes of each.

This makes it faster and judges nothing. What is odd about the answer for a part ends that part; its bytes
are left to the one stream of the transfer, which resumes and decides as it always does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial

from ...core.concurrency import IdleSlots, LazyAwaitable, wait_until_idle
from ...core.errors import StorageError, TransferError, Transient
from ...core.model import Head
from ...core.ports import Buffer
from ...core.telemetry import Meter
from ...core.urls import origin
from ...http.client import Http
from ...http.status import PARTIAL_CONTENT
from ..resume import OriginQuirks
from .allocation import ByteAllocation, Segment
from .stream import RangeRefused, SegmentBoundary, SegmentSink, SegmentTarget, meet
from .tuning import StreamTuner

MIN_DIVIDED_BYTES = 64 << 20
"""Bytes still to come, below which nothing is divided unless it was asked for."""
LEAST, LARGEST = 4 << 20, 128 << 20
"""Bytes of one part; it is the larger the faster they come,"""
SECONDS = 4.0
"""so that asking for the next one costs little, and a kill not more than the last seconds."""
FIRST = 16 << 20
"""The same while it is not known yet how fast they come."""
LEAST_GIVEN = 1 << 20
"""The least part where the number of parts was given; what has four of them is divided."""
BEGUN = 64 << 10
"""Bytes after which it is certain that the stream brings what is wanted."""
MAX_STREAMS = 8
"""Streams for one body, unless the number was given."""
FAILURES = 3
"""So many parts that failed, and the rest of this body comes by one stream."""


@dataclass(frozen=True, slots=True)
class SegmentPolicy:
    """What a run divides large bodies with: in `most` parts at a time, `given` or found out."""

    http: Http
    meter: Meter
    hosts: OriginQuirks
    places: IdleSlots
    most: int
    given: bool

    @property
    def least(self) -> int:
        return LEAST_GIVEN if self.given else LEAST

    def divided(self, whole: SegmentTarget, before: SegmentedDownload | None) -> SegmentedDownload | None:
        """The parts of a body whose rest one stream has begun to bring; None if it alone should.

        `before`: the parts of the same transfer's last answer, if it had any.
        """
        head, left = whole.head, whole.total - whole.body.offset
        offered = (
            head.status == PARTIAL_CONTENT or head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        )
        enough = left >= (4 * LEAST_GIVEN if self.given else MIN_DIVIDED_BYTES)
        if not (enough and offered and whole.etag.startswith('"') and self.hosts.divisible(head.url)):
            return None
        return SegmentedDownload(self, whole, before)


def segment_policy(
    parts: int | None, http: Http, meter: Meter, hosts: OriginQuirks, places: IdleSlots
) -> SegmentPolicy | None:
    """By what `Options.parts` says; None where nothing is divided."""
    if parts == 1 or not hasattr(os, "pwrite"):
        return None
    return SegmentPolicy(http, meter, hosts, places, parts or MAX_STREAMS, given=parts is not None)


class SegmentedDownload:
    """One body while several may bring it. `write` has its stream, `end` it when that is over."""

    def __init__(self, ranges: SegmentPolicy, whole: SegmentTarget, before: SegmentedDownload | None) -> None:
        clock = ranges.http.limits.clock
        self._ranges = ranges
        self._whole = whole
        self._tuner: StreamTuner = (
            before._tuner if before else StreamTuner(ranges.most, clock, given=ranges.given)
        )
        self._failures: int = before._failures if before else 0
        self._gate = ranges.http.limits.gate(origin(whole.head.url))
        self._shares = ByteAllocation(whole.body.offset, whole.total, ranges.least)
        self._begun = whole.body.offset + BEGUN
        self._helpers: set[asyncio.Task[None]] = set()
        self._met = False
        self._newest: Segment | None = None
        """what the last stream that was added is to bring, until something of it has come"""
        self._broken: StorageError | None = None
        """what the disk refused to a part: for the transfer's stream to raise"""

    @property
    def _streams(self) -> int:
        return 1 + len(self._helpers)

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """The next bytes of the transfer's stream, which ends with `Met` where those of a part begin."""
        front = self._shares.front
        data = data[: front.left]
        busy = self._whole.body.write(data)
        front.at += len(data)
        if self._broken is not None:
            raise self._broken
        if front.left:
            self._look()
        elif front.stop < front.limit:
            front.end()
            return LazyAwaitable(partial(meet, busy))
        return busy

    def _look(self) -> None:
        """See whether there should be another stream; never two before the first of them was welcome."""
        self._tuner.adjust(self._ranges.meter.received, self._streams, self._shares.left)
        wanted = self._streams < self._tuner.allowed and self._failures < FAILURES and not self._newest
        begun = self._met or self._shares.front.at >= self._begun
        free = self._gate.free_slots > self._ranges.places.reserved
        if wanted and begun and free and self._shares.divisible:
            self._add()

    def _add(self) -> None:
        if (helper := self._ranges.places.lend(self._help)) is not None:
            self._helpers.add(helper)
            self._newest = self._shares.front  # until it has taken something
            self._gate.limit.helper_streams += 1
            helper.add_done_callback(self._gone)

    def _gone(self, helper: asyncio.Task[None]) -> None:
        self._newest = None
        self._helpers.discard(helper)
        self._gate.limit.helper_streams -= 1

    async def _help(self) -> None:
        """Part after part, until the place is wanted elsewhere or there is nothing left to bring."""
        while self._streams <= self._tuner.allowed and not self._pressed:
            if (claim := self._take()) is None:
                break
            if self._newest is self._shares.front:
                self._newest = claim
            await self._bring(claim)

    @property
    def _pressed(self) -> bool:
        return self._ranges.places.wanted_back or self._gate.contended

    def _take(self) -> Segment | None:
        if self._failures >= FAILURES or self._broken is not None:
            return None
        soon = int(self._tuner.rate / self._streams * SECONDS) or FIRST
        even = min(soon, self._shares.left // (2 * self._streams), LARGEST)
        return self._shares.take(max(even, self._ranges.least))

    async def _bring(self, claim: Segment) -> None:
        """One part, as far as it comes."""
        part = SegmentSink(claim, self._whole, self._came)
        try:
            await self._ask(part)
        except StorageError as error:
            self._broken = error
        finally:
            await part.rest()
            self._shares.land(part.first, part.landed)
            self._shares.drop(claim, part.landed)
            if self._newest is claim:
                self._newest = None
        self._follow()

    async def _ask(self, part: SegmentSink) -> None:
        try:
            await self._ranges.http.get(part.request(), part)
        except SegmentBoundary:
            pass
        except (RangeRefused, TransferError) as error:
            self._failed(error)
        finally:
            part.claim.end()
        await part.drained()

    def _failed(self, error: RangeRefused | TransferError) -> None:
        """What the network may do better is tried again; the rest is for the one stream to find out."""
        passing = isinstance(error, Transient) and error.status is None
        self._failures = self._failures + 1 if passing else FAILURES
        if isinstance(error, RangeRefused) and error.whole:
            self._ranges.hosts.ignores_ranges(self._whole.head.url)

    def _came(self, part: SegmentSink) -> None:
        if self._newest is part.claim:
            self._newest = None
        self._shares.land(part.first, part.landed)
        self._follow()
        self._look()

    def _follow(self) -> None:
        """What lies next to the bytes of the body is of the body."""
        body = self._whole.body
        if self._met and (reach := self._shares.reach(body.offset)) > body.offset:
            body.follow(reach)

    async def carried_on(self, end: SegmentBoundary | Transient) -> Head | None:
        """What others bring after the end of the transfer's stream: the head if it is all, else None.

        Then the rest is to be asked for as ever. Raises `end` where nobody helps.
        """
        if not isinstance(end, SegmentBoundary) and (not self._helpers or end.status is not None):
            raise end
        body, shares = self._whole.body, self._shares
        shares.front.end()
        await body.drained()
        self._met = True
        shares.drop(shares.front, body.offset)
        await self._bring_all()
        while (reach := shares.reach(body.offset)) > body.offset:
            body.follow(reach)
            await body.settled()
        if self._broken is not None:
            raise self._broken
        return self._whole.head if body.offset == self._whole.total else None

    async def _bring_all(self) -> None:
        """In the place of the transfer's stream, together with the others, while there are any."""
        while self._helpers or self._shares.apart(self._whole.body.offset):
            if (claim := self._take()) is not None:
                await self._bring(claim)
            elif self._helpers:
                await asyncio.wait(self._helpers, return_when=asyncio.FIRST_COMPLETED)
            else:
                break

    async def end(self) -> None:
        """Return when nobody brings parts any more, even if cancelled meanwhile."""
        for helper in self._helpers:
            helper.cancel()
        await wait_until_idle(lambda: self._helpers)
