"""One large body brought by several streams: who brings which bytes, and when another one is worth it.

This makes it faster and judges nothing. What is odd about the answer for a part ends that part; its bytes
are left to the one stream of the transfer, which resumes and decides as it always does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from .errors import StorageError, TransferError, Transient
from .flow import lend, pressed
from .gain import Gain
from .http import Http
from .model import Head, Request
from .part import Claim, Met, Part, Unfit, Version
from .progress import Meter
from .resuming import Hosts
from .stores.body import Body
from .urls import origin

FROM = 64 << 20
"""Bytes still to come, below which nothing is divided unless it was asked for."""
LEAST, LARGEST = 4 << 20, 128 << 20
"""Bytes of one part; it is the larger the faster they come,"""
SECONDS = 4.0
"""so that asking for the next one costs little, and a kill not more than the last seconds."""
FIRST = 16 << 20
"""The same while it is not known yet how fast they come."""
LEAST_GIVEN = 1 << 20
"""The same where the number of parts was given."""
BEGUN = 64 << 10
"""Bytes after which it is certain that the stream brings what is wanted."""
MOST = 8
"""Streams for one body, unless the number was given."""
FAILURES = 3
"""So many parts that failed, and the rest of this body comes by one stream."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """What a run divides large bodies with: in `most` parts at a time, `given` or found out."""

    http: Http
    meter: Meter
    hosts: Hosts
    most: int
    given: bool

    @property
    def least(self) -> int:
        return LEAST_GIVEN if self.given else LEAST

    def divides(self, head: Head, left: int) -> bool:
        """Whether the rest of a body, of a known version, is to be had in parts and worth it."""
        offered = head.status == 206 or head.headers.get("accept-ranges", "").strip().lower() == "bytes"
        enough = 4 * LEAST_GIVEN if self.given else FROM
        return left >= enough and offered and self.hosts.divisible(head.url)


def ranges_of(parts: int | None, http: Http, meter: Meter, hosts: Hosts) -> Ranges | None:
    """By what `Options.parts` says; None where nothing is divided."""
    if parts == 1 or not hasattr(os, "pwrite"):
        return None
    return Ranges(http, meter, hosts, parts or MOST, given=parts is not None)


class Parts:
    """The parts of one transfer's body. `begin` it with each answer that may be divided, and `end` it."""

    def __init__(self, ranges: Ranges, received: Callable[[int], None]) -> None:
        self._ranges = ranges
        self._received = received
        self._gain = Gain(ranges.most, ranges.http.limits.clock, given=ranges.given)
        self._failures = 0
        self._helpers: set[asyncio.Task[None]] = set()

    def begin(self, head: Head, request: str, version: Version, body: Body) -> None:
        """A stream has begun that could bring all the rest of `body`, whose URL is `request`."""
        self.head = head
        self._request = request
        self._version = version
        self._body = body
        self._gate = self._ranges.http.limits.slot(origin(head.url))
        self._first = body.offset
        self._front = Claim(body.offset, version.total, version.total)
        self._claims = [self._front]
        self._todo: list[tuple[int, int]] = []
        self._landed: dict[int, int] = {}
        self._met = False
        self._broken: StorageError | None = None

    @property
    def room(self) -> int:
        """Bytes that the stream of the transfer has to bring before it meets another one's."""
        return self._front.left

    def came(self, size: int) -> None:
        """The stream of the transfer brought bytes. Raises `Met`, or what the disk refused to another one."""
        self._front.at += size
        if self._broken is not None:
            raise self._broken
        if self._front.left:
            self._look()
        elif self._front.stop < self._version.total:
            raise Met

    def _look(self) -> None:
        """See whether there should be another stream."""
        streams = 1 + len(self._helpers)
        self._gain.look(self._ranges.meter.received, streams, self._left())
        if streams < self._gain.wanted and self._failures < FAILURES and self._gate.spare:
            begun = self._met or self._front.at - self._first >= BEGUN
            if begun and (self._todo or self._largest().left >= 2 * self._ranges.least):
                self._add()

    def _left(self) -> int:
        return sum(claim.left for claim in self._claims) + sum(stop - first for first, stop in self._todo)

    def _largest(self) -> Claim:
        return max(self._claims, key=lambda claim: claim.left)

    def _add(self) -> None:
        if (helper := lend(self._help)) is not None:
            self._helpers.add(helper)
            self._gate.pace.parts += 1
            helper.add_done_callback(self._gone)

    def _gone(self, helper: asyncio.Task[None]) -> None:
        self._helpers.discard(helper)
        self._gate.pace.parts -= 1

    async def _help(self) -> None:
        """Part after part, until the place is wanted elsewhere or there is nothing left to bring."""
        while len(self._helpers) < self._gain.wanted and not pressed() and not self._gate.wanted:
            if (claim := self._take()) is None:
                break
            await self._bring(claim)

    def _take(self) -> Claim | None:
        """The first bytes that nobody brings, else some that another one would only come to later."""
        if self._failures >= FAILURES or self._broken is not None:
            return None
        if not self._todo:
            self._cut()
        if not self._todo:
            return None
        size = self._size()
        first, stop = self._todo.pop(0)
        end = first + size
        if stop - end >= self._ranges.least:
            self._todo.insert(0, (end, stop))
            stop = end
        claim = Claim(first, stop, stop)
        self._claims.append(claim)
        return claim

    def _size(self) -> int:
        streams = 1 + len(self._helpers)
        soon = int(self._gain.rate / streams * SECONDS) or FIRST
        return max(min(soon, self._left() // (2 * streams), LARGEST), self._ranges.least)

    def _cut(self) -> None:
        """Take from the one who has most to do."""
        if self._claims and (large := self._largest()).left >= 2 * self._ranges.least:
            at = large.at + min(large.left // 2, self._size())
            self._todo.append((at, large.stop))
            large.stop = at

    async def _bring(self, claim: Claim) -> None:
        """One part, as far as it comes."""
        part = Part(claim, self._version, self._body.patch(claim.at), self._came)
        try:
            await self._ask(part)
        except StorageError as error:
            self._broken = error  # which the stream of the transfer will raise
        finally:
            await part.rest()
            self._claims.remove(claim)
            self._landed[part.first] = part.landed
            self._give_back(part.landed, claim.stop)
            self._follow()

    async def _ask(self, part: Part) -> None:
        try:
            await self._ranges.http.get(Request(self._request, headers=part.fields()), part)
        except Met:
            pass
        except (Unfit, TransferError) as error:
            self._failed(error)
        finally:
            part.claim.end()
        await part.drained()

    def _failed(self, error: Unfit | TransferError) -> None:
        """What the network may do better is tried again; the rest is for the one stream to find out."""
        passing = isinstance(error, Transient) and error.status is None
        self._failures = self._failures + 1 if passing else FAILURES
        if isinstance(error, Unfit) and error.whole:
            self._ranges.hosts.ignores_ranges(self.head.url)

    def _came(self, part: Part, size: int) -> None:
        self._received(size)
        self._landed[part.first] = part.landed
        self._follow()
        self._look()

    def _give_back(self, first: int, stop: int) -> None:
        """Nobody brings these bytes: who would come to them anyway goes on, else they are to be taken."""
        if first >= stop:
            return
        holes = _joined(sorted([*self._todo, (first, stop)]))
        for claim in self._claims:
            if claim.stop < claim.limit and claim.stop in holes:
                end = holes.pop(claim.stop)
                claim.stop = min(end, claim.limit)
                if claim.stop < end:
                    holes[claim.stop] = end
        self._todo = sorted(holes.items())

    def _follow(self) -> None:
        """What lies next to the bytes of the body is of the body."""
        if self._met:
            self._body.follow(self._reach())

    def _reach(self) -> int:
        at = self._body.offset
        self._landed = {first: end for first, end in self._landed.items() if end > at}
        for first, end in sorted(self._landed.items()):
            if first <= at < end:
                at = end
        return at

    def goes_on(self, end: Met | Transient) -> bool:
        """Whether others bring bytes still, so that the end of one stream is not that of all."""
        return isinstance(end, Met) or (bool(self._helpers) and end.status is None)

    async def run(self) -> None:
        """The stream of the transfer is over: bring what is left together with the others.

        On return all that could be had in parts is in the body; the rest is to be asked for as ever.
        """
        self._front.end()
        self._claims.remove(self._front)
        await self._body.drained()
        self._met = True
        self._give_back(self._body.offset, self._front.stop)
        while self._helpers or self._apart():
            if (claim := self._take()) is not None:
                await self._bring(claim)
            elif self._helpers:
                await asyncio.wait(self._helpers, return_when=asyncio.FIRST_COMPLETED)
            else:
                break
        while (reach := self._reach()) > self._body.offset:
            self._body.follow(reach)
            await self._body.settled()
        if self._broken is not None:
            raise self._broken

    def _apart(self) -> bool:
        """Whether bytes lie beyond some that are missing: one stream would fetch them again."""
        reach = self._reach()
        return any(end > reach for end in self._landed.values())

    async def end(self) -> None:
        """Return when nothing of it is under way any more, even if cancelled meanwhile."""
        for helper in self._helpers:
            helper.cancel()
        cancelled = None
        while self._helpers:
            try:
                await asyncio.wait(self._helpers)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled


def _joined(holes: list[tuple[int, int]]) -> dict[int, int]:
    """Where each hole ends, by where it begins; those that touch are one."""
    found: dict[int, int] = {}
    begin = -1
    for first, stop in holes:
        if begin >= 0 and found[begin] == first:
            found[begin] = stop
        else:
            begin = first
            found[begin] = stop
    return found
