"""`forecast`: how many bytes the files of a frame have, and how long they may take.

The sample grows until the interval is narrow enough or the requests are used up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ....core.concurrency import FirstErrorGroup
from ....core.model import Asset
from ....http.client import Http
from .estimate import CONFIDENCE, MIN_PER_STRATUM, Interval, Stratum, allocate, estimate
from .frame import Frame, Group, Unit
from .sizes import Measured, is_honest, measure

MAX_REQUESTS = 200
MIN_SAMPLE = 60
"""Files before an interval is believed: with fewer, kinds of files that are rare are too often not met."""
WANTED = 0.1
"""The half-width of the interval, as a part of the estimate, that ends the sampling."""
AT_A_TIME = 8
MOST_SECONDS = 120.0
"""The sample does not grow after so long: a host that is down makes each request wait."""
CHECKED_HOSTS = 5
CHECKED_FILES = 2
"""Files of each of these hosts of which it is tried whether they end where the host says."""
BLOCK_BYTES = 4096

Measure = Callable[[Asset], Awaitable[Measured]]
IsHonest = Callable[[Asset, int], Awaitable[bool]]


@dataclass(slots=True)
class Forecast:
    """What is expected of a mirror.

    `sizes` is of all files but `unbelieved` and `unmeasured` ones, those of known size included.
    """

    files: int
    known_bytes: int
    unknown_files: int
    sizes: Interval
    requests: int = 0
    sampled: int = 0
    strata: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    """files of the sample that gave no size, by reason"""
    absent: int = 0
    """files of the sample that do not exist"""
    without_ranges: int = 0
    """files of the sample whose host sends them as a whole only: the size is its Content-Length"""
    unbelieved: dict[str, int] = field(default_factory=dict)
    """files of hosts that say other sizes than they send, by host"""
    unmeasured: int = 0
    """files of kinds of which no file gave a size"""
    requests_per_second: float = 0.0

    @property
    def disk_bytes(self) -> int:
        """What the upper end takes on a disk: on average half a block more for each file."""
        return round(self.sizes.high) + self.files * BLOCK_BYTES // 2

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        total, low, high = map(round, self.sizes)
        return {
            "bytes": total,
            "low": low,
            "high": high,
            "confidence": CONFIDENCE,
            "files": self.files,
            "known_bytes": self.known_bytes,
            "unknown_sizes": self.unknown_files,
            "requests": self.requests,
            "sampled": self.sampled,
            "strata": self.strata,
            "missing": dict(self.missing),
            "absent": self.absent,
            "without_ranges": self.without_ranges,
            "unbelieved": self.unbelieved,
            "unmeasured": self.unmeasured,
            "requests_per_second": round(self.requests_per_second, 2),
        }


async def forecast(http: Http, frame: Frame) -> Forecast:
    """Sample the files of a frame by the HTTP client of the run."""
    return await Sampler(frame, partial(measure, http), partial(is_honest, http)).run()


class Sampler:
    """One forecast. `measure_one` gives the size of a file, `honest` whether it ends there."""

    def __init__(self, frame: Frame, measure_one: Measure, honest: IsHonest) -> None:
        self._frame = frame
        self._measure_one = measure_one
        self._honest = honest
        self._known: dict[int, Measured] = {}
        self._seconds = 0.0
        self._asked = 0
        none = Interval(frame.known_bytes, frame.known_bytes, frame.known_bytes)
        self._found = Forecast(frame.files, frame.known_bytes, frame.unknown_files, none)

    async def run(self) -> Forecast:
        found = self._found
        if not self._frame.unknown_files:
            return found
        for host, count in self._frame.hosts().most_common(CHECKED_HOSTS):
            if not await self._is_believed(host):
                found.unbelieved[host] = count
        groups = self._frame.groups(without=found.unbelieved)
        await self._grow(groups)
        strata = [group.stratum for group in groups]
        found.strata = len(strata)
        found.unmeasured = sum(one.count for one in strata if not one.values)
        found.sizes = Interval(*(found.known_bytes + one for one in estimate(strata)))
        found.requests_per_second = self._asked / self._seconds if self._seconds else 0.0
        return found

    async def _is_believed(self, host: str) -> bool:
        units = self._frame.some_of(host, CHECKED_FILES)
        for unit, size in zip(units, await self._sizes(units), strict=True):
            if size.size is not None and size.size > 1 and size.ranged:
                self._found.requests += 2
                if not await self._honest(unit.asset, size.size):
                    return False
        return True

    async def _grow(self, groups: Sequence[Group]) -> None:
        strata = [group.stratum for group in groups]
        while (left := MAX_REQUESTS - self._found.requests) > 0 and self._seconds < MOST_SECONDS:
            step = left if any(map(_is_begun_only, strata)) else min(left, max(10, self._found.sampled // 4))
            shares = allocate(strata, step)
            drawn = [
                (group, group.deck.pop())
                for group, share in zip(groups, shares, strict=True)
                for _ in range(min(share, len(group.deck)))
            ]
            if not drawn:
                return
            sizes = await self._sizes([unit for _, unit in drawn])
            for (group, _), size in zip(drawn, sizes, strict=True):
                self._take(group.stratum, size)
                group.stratum.closed = not group.deck
            begun = not any(map(_is_begun_only, strata))
            if begun and self._found.sampled >= MIN_SAMPLE and self._is_narrow(strata):
                return

    def _is_narrow(self, strata: Sequence[Stratum]) -> bool:
        found = estimate(strata)
        longer = max(found.high - found.total, found.total - found.low)
        return longer <= WANTED * (found.total + self._found.known_bytes)

    def _take(self, stratum: Stratum, size: Measured) -> None:
        found = self._found
        found.sampled += 1
        if size.size is None:
            stratum.missing += 1
            found.missing[size.why] += 1
            return
        stratum.values.append(float(size.size))
        found.absent += bool(size.why)
        found.without_ranges += not size.ranged

    async def _sizes(self, units: Sequence[Unit]) -> list[Measured]:
        """The sizes of files, some at a time; each is asked for once."""
        waiting = [unit for unit in units if unit.number not in self._known]

        async def work() -> None:
            while waiting:
                unit = waiting.pop()
                self._known[unit.number] = await self._measure_one(unit.asset)

        began = time.monotonic()
        self._found.requests += len(waiting)
        self._asked += len(waiting)
        async with FirstErrorGroup() as group:
            for _ in range(min(AT_A_TIME, len(waiting))):
                group.create_task(work())
        self._seconds += time.monotonic() - began
        return [self._known[unit.number] for unit in units]


def _is_begun_only(stratum: Stratum) -> bool:
    """Whether it has too few values for a variance."""
    return bool(stratum.left) and stratum.drawn < MIN_PER_STRATUM
