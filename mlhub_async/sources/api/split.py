"""Hides how several cursors page through one listing at once, and that they give what one of them would.

The server's own count is the proof: what the parts gave, without what came twice, is what it says that the
whole has, before and after. Where it is not, the listing is read as a whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ... import stac
from ...core.concurrency import fan_out, gather_pair, prefetch_one
from ...core.errors import CatalogError, MlhubError, SourceError, TransferError
from ...core.model import JsonObject, ListingSplit, Request
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...stac.datetimes import Interval
from ..item_limit import Entries
from .endpoints import PAGE_SIZE

Take = Callable[[list[Any]], bool]
"""Is told of the records of every page; false if no more pages are wanted."""

SHORTEST = timedelta(seconds=2)
NEAR = timedelta(days=1)
"""Servers cut times to seconds or days, and read those without a zone in one of their own."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
TRIES = 4
"""For each part that is wanted so often a time is cut: records tend to be crowded somewhere."""


Pair = Callable[[Interval, Interval], Awaitable[tuple[int, int]]]


def every(_: list[Any]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One listing: how it is asked for, and how it is walked: as a whole ("") or as a part of this name."""

    name: str
    span: Interval
    ask: Callable[[Selection], Request]
    walk: Callable[[Request, str, Take], AsyncIterator[Entries]]


class SplitListing:
    """Reads listings in as many parts as the selection says. `pieces`: how each part is asked for."""

    def __init__(self, reader: Reader, selection: Selection) -> None:
        self._reader = reader
        self._selection = selection
        self._bounds = stac.interval(selection.datetime) if selection.datetime else (None, None)
        self.pieces: dict[str, tuple[ListingQuery, Request]] = {}

    async def read(self, course: ListingQuery, emit: Emit) -> None:
        """All of a listing, in parts where that is possible. Raises what reading it as a whole raises."""
        try:
            matched, parts = await self._cut(course)
            overlap = await self._read(course, parts, emit)
            now = await self._count(course, self._selection)
            if not matched == now == overlap.distinct:
                counts = f"{overlap.distinct} items where the whole has {matched}, later {now}"
                raise CannotSplit(f"its parts came to {counts}")
        except CannotSplit as reason:
            await emit([ListingSplit(course.name, refused=reason.message)])
            await prefetch_one(course.walk(course.ask(self._selection), "", every), emit)
        else:
            await emit([ListingSplit(course.name, matched)])

    def again(self, name: str) -> AsyncIterator[Entries]:
        """One of the parts once more."""
        course, request = self.pieces[name]
        return course.walk(request, name, every)

    async def _cut(self, course: ListingQuery) -> tuple[int, list[Slice]]:
        if self._selection.max_items is not None:
            raise CannotSplit("--max-items takes the first ones of the whole")

        async def count(one: Interval, other: Interval) -> tuple[int, int]:
            return await gather_pair(
                self._count(course, self._within(one)), self._count(course, self._within(other))
            )

        matched = await self._count(course, self._selection)
        part = whole(self._bounds, course.span, matched)
        return matched, await cut(part, self._selection.split, self._selection.limit or PAGE_SIZE, count)

    def _within(self, bounds: Interval) -> Selection:
        return replace(self._selection, datetime=stac.written(bounds))

    async def _count(self, course: ListingQuery, selection: Selection) -> int:
        try:
            answer = await self._reader.read(course.ask(replace(selection, limit=1)))
        except TransferError as error:
            raise CannotSplit(f"the server does not count its items: {error.message}") from error
        matched = stac.matched_of(answer.body) if isinstance(answer.body, dict) else None
        if matched is None:
            raise CannotSplit("the server tells no total")
        return matched

    async def _read(self, course: ListingQuery, parts: list[Slice], emit: Emit) -> Overlap:
        """What stops one part stops the others at their next page: they are not cancelled, since what they
        have given is being taken in."""
        overlap, stopped = Overlap(), list[CannotSplit | CatalogError]()

        async def produce(put: Callable[[Slice], Awaitable[None]]) -> None:
            for part in parts:
                await put(part)

        async def work(part: Slice) -> None:
            def take(records: list[Any]) -> bool:
                try:
                    overlap.take(records, part)
                except CannotSplit as reason:
                    stopped.append(reason)
                return not stopped

            try:
                await prefetch_one(self._walk(course, part, take), emit)
            except CatalogError as error:
                stopped.append(error)
            except SourceError as error:
                stopped.append(CannotSplit(f"the server refuses a part of it: {error.message}"))

        await fan_out(produce, work, len(parts))
        for error in stopped:
            raise error
        return overlap

    def _walk(self, course: ListingQuery, part: Slice, take: Take) -> AsyncIterator[Entries]:
        text = stac.written(part.bounds)
        name = f"{course.name} {text}"
        request = course.ask(replace(self._selection, datetime=text))
        self.pieces[name] = course, request
        return course.walk(request, name, take)


class CannotSplit(MlhubError):
    """The listing has to be read as a whole; the message says why. It never leaves the source."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What lies between two times. `low` and `high` are where its records may lie, as far as is known."""

    start: datetime | None
    end: datetime | None
    low: datetime
    high: datetime
    matched: int

    @property
    def bounds(self) -> Interval:
        return self.start, self.end


def whole(bounds: Interval, span: Interval, matched: int) -> Slice:
    """All of a listing. `bounds` were asked for, `span` is what the catalogue says of its extent."""
    low = bounds[0] or span[0] or LONG_AGO
    high = bounds[1] or span[1] or datetime.now(UTC)
    return Slice(*bounds, low, max(low, high), matched)


async def cut(part: Slice, parts: int, page: int, count: Pair) -> list[Slice]:
    """As many parts as are wanted, or fewer where there is no more to cut; `count` asks the server for two.

    Raises `Undivided` where a search by time does not divide what there is, or leaves some of it out.
    """
    found = [part]
    for _ in range(TRIES * parts):
        fit = [one for one in found if one.matched > page and one.high - one.low >= SHORTEST]
        if len(found) >= parts or not fit:
            break
        largest = max(fit, key=lambda one: one.matched)
        at = found.index(largest)
        found[at : at + 1] = await _halves(largest, count)
    if len(found) < 2:
        raise CannotSplit("it is too small, or too close in time, to be cut")
    return found


async def _halves(part: Slice, count: Pair) -> list[Slice]:
    """An empty half stays with the other: there may be more in it when it is read."""
    middle = (part.low + (part.high - part.low) / 2).replace(microsecond=0)
    before, after = await count((part.start, middle), (middle, part.end))
    if before + after < part.matched:
        raise CannotSplit("a search by time leaves some of its items out")
    if before + after > part.matched * 3 // 2:
        raise CannotSplit("a search by time does not divide it")
    if not before:
        return [replace(part, low=middle)]
    if not after:
        return [replace(part, high=middle)]
    return [
        Slice(part.start, middle, part.low, middle, before),
        Slice(middle, part.end, middle, part.high, after),
    ]


class Overlap:
    """Counts the records that come again. Those far from every border cannot, and are not remembered."""

    def __init__(self) -> None:
        self.returned = 0
        self.repeated = 0
        self._near: set[int] = set()

    @property
    def distinct(self) -> int:
        return self.returned - self.repeated

    def take(self, records: list[Any], part: Slice) -> None:
        """Raises `Undivided` if one has no business in this part: then the server cannot be relied on."""
        self.returned += len(records)
        for record in records:
            if not _inside(record, part):
                known = len(self._near)
                self._near.add(_identity(record))
                self.repeated += len(self._near) == known


def _inside(record: Any, part: Slice) -> bool:
    """Whether it lies in the part and nowhere near its borders."""
    properties = record.get("properties") if isinstance(record, dict) else None
    first, last = stac.hull(properties if isinstance(properties, dict) else {})
    if first is None or last is None:
        return False
    if (part.end and first - part.end > NEAR) or (part.start and part.start - last > NEAR):
        raise CannotSplit("the server gives items from outside of the time that it is asked for")
    return (part.start is None or first - part.start > NEAR) and (part.end is None or part.end - last > NEAR)


def _identity(record: Any) -> int:
    if isinstance(record, dict) and "id" in record:
        return hash((str(record.get("collection")), str(record["id"])))
    return hash(str(record))


def together(spans: Sequence[Interval]) -> Interval:
    """From the first beginning to the last end; open where one of them is."""
    starts, ends = [one[0] for one in spans], [one[1] for one in spans]
    start = None if None in starts else min(filter(None, starts), default=None)
    return start, None if None in ends else max(filter(None, ends), default=None)


def span_of(body: JsonObject) -> Interval:
    """What a collection says of its extent in time; the first interval is that of all of it."""
    extent = body.get("extent")
    temporal = extent.get("temporal") if isinstance(extent, dict) else None
    listed = temporal.get("interval") if isinstance(temporal, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, list) or len(first) != 2:
        return None, None
    return stac.instant(first[0]), stac.instant(first[1])
