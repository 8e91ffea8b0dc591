"""The files that a forecast is of, counted while they are listed, with a random sample of each kind kept.

Memory does not grow with the listing: of each kind the files with the smallest random tags stay (bottom-k
sampling). The files with the smallest tags of several kinds together are a random sample of these kinds.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ....core.errors import MlhubError
from ....core.model import Asset
from ....core.urls import origin
from ....stac.selection import AssetLike
from ....storage.indexes.number_set import NumberSet
from .estimate import Stratum

MAX_PER_KIND = 200
MAX_UNITS = 20_000
"""Files that are kept, of all kinds."""
MAX_KINDS = 4096
"""Above that a new kind is that of its media type and host."""
MAX_STRATA = 16


class Kind(NamedTuple):
    """Files that are probably of similar sizes."""

    collection: str
    key: str
    media_type: str
    host: str


class Unit(NamedTuple):
    """One file of the sample; those with the smallest tags are drawn first."""

    tag: float
    number: int
    asset: Asset


_LEVELS: tuple[Callable[[Kind], tuple[str, ...]], ...] = (
    lambda kind: kind,
    lambda kind: kind[1:],
    lambda kind: kind[2:],
    lambda kind: kind[3:],
)
"""From the finest division on: without the collection, without the asset key, by host alone."""


@dataclass(slots=True)
class Group:
    """A stratum, and the files of it in the order in which they are to be drawn."""

    stratum: Stratum
    deck: list[Unit]


@dataclass(slots=True)
class _Kept:
    count: int = 0
    heap: list[tuple[float, int, Asset]] = field(default_factory=list)
    """by tag, the largest first, which is negative"""
    limit: float = 1.0
    """files with tags below are kept; of those above some are not"""

    def cut(self, size: int) -> None:
        while len(self.heap) > size:
            self.limit = -heapq.heappop(self.heap)[0]


class Frame:
    """Files to be fetched, each URL once. Those of known size are summed up, of the others some are kept."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self.files = 0
        self.known_bytes = 0
        self.unknown_files = 0
        self._urls = NumberSet()
        self._kinds: dict[Kind, _Kept] = {}
        self._chance = chance
        self._per_kind = MAX_PER_KIND
        self._numbers = itertools.count()

    def add(self, url: str, collection: str, outline: AssetLike, whole: Callable[[], Asset]) -> None:
        """Count a file. `url` is the same text for all hrefs of one file; `whole` makes the asset that can
        be asked for, where this one is drawn."""
        if not self._urls.add((hash(url),)):
            return
        self.files += 1
        if outline.size is not None:
            self.known_bytes += outline.size
            return
        self.unknown_files += 1
        kept = self._kept_of(_kind_of(url, collection, outline))
        kept.count += 1
        tag = self._chance()
        if tag >= kept.limit:
            return
        heapq.heappush(kept.heap, (-tag, next(self._numbers), whole()))
        if len(kept.heap) > self._per_kind:
            kept.cut(self._per_kind)
        elif len(self._kinds) * self._per_kind > MAX_UNITS and self._per_kind > 1:
            self._shrink()

    def _kept_of(self, kind: Kind) -> _Kept:
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            kind = Kind("", "", kind.media_type, kind.host)
        return self._kinds.setdefault(kind, _Kept())

    def _shrink(self) -> None:
        self._per_kind = max(1, self._per_kind // 2)
        for kept in self._kinds.values():
            kept.cut(self._per_kind)

    def hosts(self) -> Counter[str]:
        """The number of files of unknown size by origin."""
        found: Counter[str] = Counter()
        for kind, kept in self._kinds.items():
            found[kind.host] += kept.count
        return found

    def some_of(self, host: str, number: int) -> list[Unit]:
        """So many files of a host, those that are drawn first."""
        return sorted(_units(kept for kind, kept in self._kinds.items() if kind.host == host))[:number]

    def groups(self, without: Container[str] = ()) -> list[Group]:
        """The strata: the finest division that has few enough. `without`: hosts that are left out."""
        kinds = {kind: kept for kind, kept in self._kinds.items() if kind.host not in without}
        for level in _LEVELS:
            divided: dict[tuple[str, ...], list[_Kept]] = {}
            for kind, kept in kinds.items():
                divided.setdefault(level(kind), []).append(kept)
            if len(divided) <= MAX_STRATA:
                break
        lists = sorted(divided.values(), key=lambda some: -sum(kept.count for kept in some))
        rest = list(itertools.chain.from_iterable(lists[MAX_STRATA - 1 :]))
        return [_group(some) for some in (*lists[: MAX_STRATA - 1], rest) if some]


def _kind_of(url: str, collection: str, outline: AssetLike) -> Kind:
    try:
        host = str(origin(url))
    except MlhubError:
        host = ""  # its request will say what is wrong
    key = outline.key.partition("/")[0]  # of a directory
    return Kind(collection, key, outline.media_type or "", host)


def _group(kinds: list[_Kept]) -> Group:
    """One stratum of several kinds. Only tags of which all files are kept make a random sample."""
    limit = min(kept.limit for kept in kinds)
    deck = sorted(unit for unit in _units(kinds) if unit.tag < limit)
    return Group(Stratum(sum(kept.count for kept in kinds)), deck[::-1])


def _units(kinds: Iterator[_Kept] | list[_Kept]) -> Iterator[Unit]:
    for kept in kinds:
        yield from (Unit(-tag, number, asset) for tag, number, asset in kept.heap)
