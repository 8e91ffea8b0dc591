"""Time slices of a listing: cutting one by the server's counts, and counting the items that several give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ... import stac
from ...core.errors import MlhubError
from ...core.model import JsonObject
from ...stac.datetimes import Interval

MIN_SLICE = timedelta(seconds=2)
BORDER = timedelta(days=1)
"""Servers cut times to seconds or days, and read those without a zone in one of their own."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CUTS_PER_SLICE = 4
"""Cuts at most for each slice that is wanted: items tend to be crowded somewhere in time."""

CountPair = Callable[[Interval, Interval], Awaitable[tuple[int, int]]]
"""Asks the server how many items lie in each of two intervals."""


class CannotSplit(MlhubError):
    """The listing has to be read as a whole; the message says why. Never leaves the source."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The items of a listing between two times, None for no bound.

    `low` and `high` are the times between which its items may lie, as far as is known.
    """

    start: datetime | None
    end: datetime | None
    low: datetime
    high: datetime
    matched: int

    @property
    def bounds(self) -> Interval:
        """The interval that a server is asked for."""
        return self.start, self.end


def whole_slice(bounds: Interval, span: Interval, matched: int) -> Slice:
    """All of a listing. `bounds` were asked for, `span` is what the catalogue says of its extent."""
    low = bounds[0] or span[0] or EARLIEST
    high = bounds[1] or span[1] or datetime.now(UTC)
    return Slice(*bounds, low, max(low, high), matched)


async def cut_slices(whole: Slice, wanted: int, page_size: int, count: CountPair) -> list[Slice]:
    """Halve the largest slice until there are as many as are wanted, or nothing is left to cut.

    A slice that fits on one page stays as it is. Raises `CannotSplit` where a search by time does not
    divide the items, or leaves some of them out.
    """
    slices = [whole]
    for _ in range(CUTS_PER_SLICE * wanted):
        divisible = [one for one in slices if one.matched > page_size and one.high - one.low >= MIN_SLICE]
        if len(slices) >= wanted or not divisible:
            break
        largest = max(divisible, key=lambda one: one.matched)
        index = slices.index(largest)
        slices[index : index + 1] = await _halve(largest, count)
    if len(slices) < 2:
        raise CannotSplit("it is too small, or too close in time, to be cut")
    return slices


async def _halve(whole: Slice, count: CountPair) -> list[Slice]:
    """An empty half stays joined to the other one: items may have appeared in it when it is read."""
    middle = (whole.low + (whole.high - whole.low) / 2).replace(microsecond=0)
    before, after = await count((whole.start, middle), (middle, whole.end))
    if before + after < whole.matched:
        raise CannotSplit("a search by time leaves some of its items out")
    if before + after > whole.matched * 3 // 2:
        raise CannotSplit("a search by time does not divide it")
    if not before:
        return [replace(whole, low=middle)]
    if not after:
        return [replace(whole, high=middle)]
    return [
        Slice(whole.start, middle, whole.low, middle, before),
        Slice(middle, whole.end, middle, whole.high, after),
    ]


class Overlap:
    """Counts the records that more than one slice gives.

    Only records within a day of a border are remembered: those further away cannot be in another slice.
    """

    def __init__(self) -> None:
        self.returned = 0
        self.repeated = 0
        self._near_borders: set[int] = set()

    @property
    def distinct(self) -> int:
        """The records that came, each counted once."""
        return self.returned - self.repeated

    def add(self, records: list[Any], source: Slice) -> None:
        """Count the records of one page.

        Raises `CannotSplit` if one lies outside of its slice: such a server cannot be relied on.
        """
        self.returned += len(records)
        for record in records:
            if not _is_inside(record, source):
                known = len(self._near_borders)
                self._near_borders.add(_identity(record))
                self.repeated += len(self._near_borders) == known


def _is_inside(record: Any, whole: Slice) -> bool:
    """Whether a record lies in the slice and nowhere near its borders."""
    properties = record.get("properties") if isinstance(record, dict) else None
    first, last = stac.time_span(properties if isinstance(properties, dict) else {})
    if first is None or last is None:
        return False
    if (whole.end and first - whole.end > BORDER) or (whole.start and whole.start - last > BORDER):
        raise CannotSplit("the server gives items from outside of the time that it is asked for")
    after_start = whole.start is None or first - whole.start > BORDER
    return after_start and (whole.end is None or whole.end - last > BORDER)


def _identity(record: Any) -> int:
    if isinstance(record, dict) and "id" in record:
        return hash((str(record.get("collection")), str(record["id"])))
    return hash(str(record))


def union_span(spans: Sequence[Interval]) -> Interval:
    """From the first beginning to the last end of all spans; open where one of them is open."""
    starts, ends = [one[0] for one in spans], [one[1] for one in spans]
    start = None if None in starts else min(filter(None, starts), default=None)
    return start, None if None in ends else max(filter(None, ends), default=None)


def temporal_extent(body: JsonObject) -> Interval:
    """The extent in time that a collection declares: its first interval, which spans all others."""
    extent = body.get("extent")
    temporal = extent.get("temporal") if isinstance(extent, dict) else None
    listed = temporal.get("interval") if isinstance(temporal, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, list) or len(first) != 2:
        return None, None
    return stac.parse_instant(first[0]), stac.parse_instant(first[1])
