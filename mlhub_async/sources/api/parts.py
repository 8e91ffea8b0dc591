"""Hides where a listing is cut by time, and which of its records can come in more than one of the parts.

Intervals of a search are closed on both ends: what lies at a border comes twice, and nothing is lost there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ... import stac
from ...core.errors import MlhubError
from ...core.model import JsonObject
from ...stac.datetimes import Interval

SHORTEST = timedelta(seconds=2)
NEAR = timedelta(days=1)
"""Servers cut times to seconds or days, and read those without a zone in one of their own."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
TRIES = 4
"""For each part that is wanted so often a time is cut: records tend to be crowded somewhere."""


class Undivided(MlhubError):
    """The listing has to be read as a whole; the message says why. It never leaves the source."""


@dataclass(frozen=True, slots=True)
class Part:
    """What lies between two times. `low` and `high` are where its records may lie, as far as is known."""

    start: datetime | None
    end: datetime | None
    low: datetime
    high: datetime
    matched: int

    @property
    def bounds(self) -> Interval:
        return self.start, self.end


Pair = Callable[[Interval, Interval], Awaitable[tuple[int, int]]]


def whole(bounds: Interval, span: Interval, matched: int) -> Part:
    """All of a listing. `bounds` were asked for, `span` is what the catalogue says of its extent."""
    low = bounds[0] or span[0] or LONG_AGO
    high = bounds[1] or span[1] or datetime.now(UTC)
    return Part(*bounds, low, max(low, high), matched)


async def cut(part: Part, parts: int, page: int, count: Pair) -> list[Part]:
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
        raise Undivided("it is too small, or too close in time, to be cut")
    return found


async def _halves(part: Part, count: Pair) -> list[Part]:
    """An empty half stays with the other: there may be more in it when it is read."""
    middle = (part.low + (part.high - part.low) / 2).replace(microsecond=0)
    before, after = await count((part.start, middle), (middle, part.end))
    if before + after < part.matched:
        raise Undivided("a search by time leaves some of its items out")
    if before + after > part.matched * 3 // 2:
        raise Undivided("a search by time does not divide it")
    if not before:
        return [replace(part, low=middle)]
    if not after:
        return [replace(part, high=middle)]
    return [
        Part(part.start, middle, part.low, middle, before),
        Part(middle, part.end, middle, part.high, after),
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

    def take(self, records: list[Any], part: Part) -> None:
        """Raises `Undivided` if one has no business in this part: then the server cannot be relied on."""
        self.returned += len(records)
        for record in records:
            if not _inside(record, part):
                known = len(self._near)
                self._near.add(_identity(record))
                self.repeated += len(self._near) == known


def _inside(record: Any, part: Part) -> bool:
    """Whether it lies in the part and nowhere near its borders."""
    properties = record.get("properties") if isinstance(record, dict) else None
    first, last = stac.hull(properties if isinstance(properties, dict) else {})
    if first is None or last is None:
        return False
    if (part.end and first - part.end > NEAR) or (part.start and part.start - last > NEAR):
        raise Undivided("the server gives items from outside of the time that it is asked for")
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
