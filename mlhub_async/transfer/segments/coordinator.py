"""Segmented download: one large body brought by several range requests at a time.

The rest of a transfer knows two calls of it, `SegmentedDownload.writer` and `.complete`. It makes a
transfer faster and decides nothing about the file: what is wrong with the answer for a segment ends that
segment, and its bytes are left to the transfer's own request, which resumes and decides as always.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ...core.concurrency import IdleSlots, LazyAwaitable, wait_until_idle
from ...core.errors import StorageError, TransferError, Transient
from ...core.model import Head
from ...core.telemetry import Meter
from ...core.urls import Origin, origin
from ...http.client import Http
from ...http.status import PARTIAL_CONTENT
from ..resume import OriginQuirks
from .allocation import ByteAllocation, Segment
from .stream import RangeRefused, SegmentBoundary, SegmentSink, SegmentTarget, stop_at_boundary
from .tuning import StreamTuner

if TYPE_CHECKING:
    from ...core.ports import Buffer

MIN_DIVIDED_BYTES = 64 << 20
"""Bytes still to come below which a body is not divided."""
MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES = 4 << 20, 128 << 20
SEGMENT_SECONDS = 4.0
"""A segment is what one stream brings in this time, within these limits: then the request for the next one
costs little, and a kill loses no more than the last seconds."""
FIRST_SEGMENT_BYTES = 16 << 20
"""The same while it is not known yet how fast the bytes come."""
MIN_GIVEN_SEGMENT_BYTES = 1 << 20
"""The least segment where the number of streams was given. A body with four of them to come is divided."""
PROVEN_STREAM_BYTES = 64 << 10
"""Bytes after which the transfer's own stream is taken to bring what is wanted."""
MAX_STREAMS = 8
"""Streams of one body, where their number was not given."""
MAX_FAILURES = 3
"""After so many segments that failed the rest of the body comes by one stream."""

Write = Callable[["Buffer"], Awaitable[None] | None]


@dataclass(slots=True, eq=False, repr=False)
class SegmentPolicy:
    """When and how a run divides large bodies: by `max_streams` streams, a number `given` or to be tried.

    One for all transfers of a run: it remembers the origins that ignore ranges.
    """

    http: Http
    meter: Meter
    quirks: OriginQuirks
    idle_slots: IdleSlots
    max_streams: int
    given: bool
    clock: Callable[[], float]
    cpu_seconds: Callable[[], float] = time.process_time
    rangeless: set[Origin] = field(default_factory=set)
    """origins that sent a whole body where a range was asked for"""

    @property
    def min_segment_bytes(self) -> int:
        return MIN_GIVEN_SEGMENT_BYTES if self.given else MIN_SEGMENT_BYTES

    def divides(self, target: SegmentTarget) -> bool:
        """Whether the rest of a body may come by several streams.

        It must be large, ranges must be offered, and a strong ETag must tie all of it to one version. An
        origin whose answers to conditional range requests were wrong before gets none.
        """
        if target.total is None or not target.validator.startswith('"'):
            return False
        head, left = target.head, target.total - target.body.offset
        if left < (4 * MIN_GIVEN_SEGMENT_BYTES if self.given else MIN_DIVIDED_BYTES):
            return False
        offered = head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        return (head.status == PARTIAL_CONTENT or offered) and self._trusts(head.url)

    def _trusts(self, url: str) -> bool:
        quirks = self.quirks
        return (
            quirks.has_steady_validators(url)
            and quirks.heeds_if_range(url)
            and origin(url) not in self.rangeless
        )

    def tuner(self) -> StreamTuner:
        return StreamTuner(self.max_streams, self.clock, given=self.given, cpu_seconds=self.cpu_seconds)


def segment_policy(
    parts: int | None, http: Http, meter: Meter, quirks: OriginQuirks, idle_slots: IdleSlots
) -> SegmentPolicy | None:
    """The policy for a value of `Options.parts`; None where no body is divided."""
    if parts == 1 or not hasattr(os, "pwrite"):
        return None
    given = parts is not None
    return SegmentPolicy(http, meter, quirks, idle_slots, parts or MAX_STREAMS, given, http.limits.clock)


class SegmentedDownload:
    """The body of one asset, over all requests for it, brought by several streams where that pays.

    `complete` goes around each request of the transfer; `writer` is called when its answer begins.
    """

    __slots__ = ("_policy", "_progress", "_streams", "joined")

    def __init__(self, policy: SegmentPolicy | None) -> None:
        self._policy = policy
        self._progress: _Progress | None = None
        self._streams: _Streams | None = None
        self.joined = False
        """other streams brought some of the bytes"""

    def writer(self, target: SegmentTarget) -> Write:
        """What takes the bytes of an answer: the body itself, or what lets other streams help it.

        The body's `offset` must be where the answer begins.
        """
        policy = self._policy
        if policy is None or not policy.divides(target):
            return target.body.write
        if self._progress is None:
            self._progress = _Progress(policy.tuner())
        self._streams = _Streams(policy, target, self._progress)
        return self._streams.write

    async def complete(self, answer: Awaitable[Head]) -> Head | None:
        """Await the answer to a request, and what other streams bring after its end.

        None if bytes are missing for which the transfer should ask at once, without counting a failure.
        Raises what the request raised where no other stream helped, or `StorageError` of any stream. No
        other stream is left when it returns or raises.
        """
        try:
            return await answer
        except (SegmentBoundary, Transient) as end:
            if self._streams is None:
                raise
            self.joined = True
            return await self._streams.carry_on(end)
        finally:
            if (streams := self._streams) is not None:
                self._streams = None
                await streams.stop()


@dataclass(slots=True, eq=False, repr=False)
class _Progress:
    """What one transfer has learned about its segments so far."""

    tuner: StreamTuner
    failures: int = 0


class _Streams:
    """The streams of one answer's body: `write` takes the bytes of the transfer's own one.

    The others are helpers, tasks in idle slots of the worker pool.
    """

    def __init__(self, policy: SegmentPolicy, target: SegmentTarget, progress: _Progress) -> None:
        assert target.total is not None
        offset = target.body.offset
        self._policy = policy
        self._target = target
        self._total = target.total
        self._progress = progress
        self._gate = policy.http.limits.gate(origin(target.head.url))
        self._allocation = ByteAllocation(offset, target.total, policy.min_segment_bytes)
        self._proven_at = offset + PROVEN_STREAM_BYTES
        self._helpers: set[asyncio.Task[None]] = set()
        self._main_ended = False
        self._unproven: Segment | None = None
        """the segment of the newest helper until bytes of it arrive; `main` until it has one"""
        self._storage_error: StorageError | None = None
        """raised to a helper, for the transfer's own stream to raise"""

    @property
    def _count(self) -> int:
        return 1 + len(self._helpers)

    @property
    def _failing(self) -> bool:
        return self._progress.failures >= MAX_FAILURES

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """Take bytes of the transfer's own stream; see `ports.Sink.write`.

        Where the bytes of a helper begin, `SegmentBoundary` ends the answer.
        """
        main = self._allocation.main
        data = data[: main.left]
        writing = self._target.body.write(data)
        main.position += len(data)
        if self._storage_error is not None:
            raise self._storage_error
        if main.left:
            self._consider_helper()
        elif main.stop < main.limit:
            main.end()
            return LazyAwaitable(partial(stop_at_boundary, writing))
        return writing

    def _consider_helper(self) -> None:
        """Add a helper if it may pay; never two before bytes of the first one have arrived."""
        tuner, allocation = self._progress.tuner, self._allocation
        tuner.adjust(self._policy.meter.received, self._count, allocation.left)
        if self._count >= tuner.allowed or self._failing or self._unproven is not None:
            return
        proven = self._main_ended or allocation.main.position >= self._proven_at
        free = self._gate.free_slots > self._policy.idle_slots.reserved
        if proven and free and allocation.divisible:
            self._add_helper()

    def _add_helper(self) -> None:
        if (helper := self._policy.idle_slots.lend(self._help)) is not None:
            self._helpers.add(helper)
            self._unproven = self._allocation.main
            self._gate.limit.helper_streams += 1
            helper.add_done_callback(self._helper_ended)

    def _helper_ended(self, helper: asyncio.Task[None]) -> None:
        self._unproven = None
        self._helpers.discard(helper)
        self._gate.limit.helper_streams -= 1

    async def _help(self) -> None:
        """Bring segments until the slot is wanted back or nothing is left to bring."""
        while self._count <= self._progress.tuner.allowed and not self._slot_wanted_back:
            if (segment := self._take()) is None:
                break
            if self._unproven is self._allocation.main:
                self._unproven = segment
            await self._bring(segment)

    @property
    def _slot_wanted_back(self) -> bool:
        return self._policy.idle_slots.wanted_back or self._gate.contended

    def _take(self) -> Segment | None:
        if self._failing or self._storage_error is not None:
            return None
        per_stream = int(self._progress.tuner.rate / self._count * SEGMENT_SECONDS) or FIRST_SEGMENT_BYTES
        size = min(per_stream, self._allocation.left // (2 * self._count), MAX_SEGMENT_BYTES)
        return self._allocation.take(max(size, self._policy.min_segment_bytes))

    async def _bring(self, segment: Segment) -> None:
        """Ask for one segment and write what comes of it."""
        sink = SegmentSink(segment, self._target, self._arrived)
        try:
            await self._request(sink)
        except StorageError as error:
            self._storage_error = error
        finally:
            await sink.wait_until_idle()
            self._allocation.note_written(sink.first, sink.written_end)
            self._allocation.release(segment, sink.written_end)
            if self._unproven is segment:
                self._unproven = None
        self._take_in_adjacent()

    async def _request(self, sink: SegmentSink) -> None:
        try:
            await self._policy.http.get(sink.request(), sink)
        except SegmentBoundary:
            pass
        except (RangeRefused, TransferError) as error:
            self._note_failure(error)
        finally:
            sink.segment.end()
        await sink.drained()

    def _note_failure(self, error: RangeRefused | TransferError) -> None:
        """A failure of the network may be tried again; the transfer's own request meets all others."""
        passing = isinstance(error, Transient) and error.status is None
        self._progress.failures = self._progress.failures + 1 if passing else MAX_FAILURES
        if isinstance(error, RangeRefused) and error.whole_body:
            self._policy.rangeless.add(origin(self._target.head.url))

    def _arrived(self, sink: SegmentSink) -> None:
        if self._unproven is sink.segment:
            self._unproven = None
        self._allocation.note_written(sink.first, sink.written_end)
        self._take_in_adjacent()
        self._consider_helper()

    def _take_in_adjacent(self) -> None:
        """Give the body those bytes of helpers that follow its own without a gap."""
        body = self._target.body
        if self._main_ended and (end := self._allocation.contiguous_end(body.offset)) > body.offset:
            body.follow(end)

    async def carry_on(self, end: SegmentBoundary | Transient) -> Head | None:
        """Bring what is left after the transfer's own stream has ended; the head if that is all of it.

        None if bytes are missing. Raises `end` where no helper is at work or a server refused something.
        """
        if not isinstance(end, SegmentBoundary) and (not self._helpers or end.status is not None):
            raise end
        body, allocation = self._target.body, self._allocation
        allocation.main.end()
        await body.drained()
        self._main_ended = True
        allocation.release(allocation.main, body.offset)
        await self._bring_rest()
        while (contiguous := allocation.contiguous_end(body.offset)) > body.offset:
            body.follow(contiguous)
            await body.settled()
        if self._storage_error is not None:
            raise self._storage_error
        return self._target.head if body.offset == self._total else None

    async def _bring_rest(self) -> None:
        """Bring segments in the transfer's own slot, beside the helpers, while there are any of these.

        Also while bytes lie beyond a gap: a request for all the rest would bring them again.
        """
        while self._helpers or self._allocation.has_gap(self._target.body.offset):
            if (segment := self._take()) is not None:
                await self._bring(segment)
            elif self._helpers:
                await asyncio.wait(self._helpers, return_when=asyncio.FIRST_COMPLETED)
            else:
                break

    async def stop(self) -> None:
        """End all helpers. Returns when the last one is gone, even if cancelled meanwhile."""
        for helper in self._helpers:
            helper.cancel()
        await wait_until_idle(lambda: self._helpers)
