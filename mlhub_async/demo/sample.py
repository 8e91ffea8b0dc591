"""What the sample catalogue contains: chips, dates, ids and file names, all computed from a number.

Nothing is stored, so two million chips cost no more memory than six.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from . import geo

DATASET = "ref_landcovernet_v1"
LABELS = f"{DATASET}_labels"
SOURCE = f"{DATASET}_source"
COLLECTIONS = (LABELS, SOURCE)
LABELLED = datetime(2018, 1, 1, tzinfo=UTC)

_PER_TILE = 30
_PAIR = 2 * _PER_TILE
_ROUND = geo.TILES * _PER_TILE
MOST_CHIPS = _ROUND * (geo.PER_SIDE**2 // _PER_TILE)
_LABEL_ID = re.compile(rf"{LABELS}_(\w{{5}})_(\d{{1,4}})", re.ASCII)
_SOURCE_ID = re.compile(rf"{SOURCE}_(\w{{5}})_(\d{{1,4}})_(\d{{8}})", re.ASCII)

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Chip:
    """One square of land that was labelled."""

    number: int
    tile: geo.Tile
    spot: int

    @property
    def name(self) -> str:
        return f"{self.tile.name}_{self.spot}"

    @property
    def corner(self) -> tuple[int, int]:
        return self.tile.corner(self.spot)

    def ring(self) -> list[tuple[float, float]]:
        """Its outline in longitude and latitude, closed and counter-clockwise."""
        east, north = self.corner
        low, far = north - geo.CHIP, east + geo.CHIP
        points = [
            geo.lonlat(self.tile.zone, e, n)
            for e, n in ((east, low), (far, low), (far, north), (east, north))
        ]
        return [*points, points[0]]


def bounds(ring: list[tuple[float, float]]) -> Box:
    east, north = [point[0] for point in ring], [point[1] for point in ring]
    return min(east), min(north), max(east), max(north)


@lru_cache(maxsize=4096)
def chip(number: int) -> Chip:
    """Chips go in rounds over all tiles, 30 per tile and round, two tiles at a time."""
    turn, rest = divmod(number, _ROUND)
    pair, rest = divmod(rest, _PAIR)
    step, second = divmod(rest, 2)
    return Chip(number, geo.tile(2 * pair + second), turn * _PER_TILE + (12 + 17 * step) % _PER_TILE)


def _number(tile_name: str, spot: str) -> int | None:
    """The inverse of `chip`."""
    tile = geo.index_of(tile_name)
    if tile is None or str(int(spot)) != spot:
        return None
    turn, place = divmod(int(spot), _PER_TILE)
    step = (place - 12) * 23 % _PER_TILE
    return turn * _ROUND + tile // 2 * _PAIR + 2 * step + tile % 2


@lru_cache(maxsize=8192)
def tile_box(index: int) -> Box:
    """A box that holds every chip of the tile."""
    tile = geo.tile(index)
    east, north = tile.corner(0)
    reach = geo.PER_SIDE * geo.CHIP
    spots = [(east + dx, north - dy) for dx in (0, reach / 2, reach) for dy in (0, reach / 2, reach)]
    west, south, right, top = bounds([geo.lonlat(tile.zone, *spot) for spot in spots])
    return west - 0.01, south - 0.01, right + 0.01, top + 0.01


def touching(box: Box, other: Box) -> bool:
    """Whether two boxes meet; a box whose west is greater than its east crosses the antimeridian."""
    across = box[0] <= box[2]
    sideways = other[0] <= box[2] and other[2] >= box[0]
    around = other[0] <= box[2] or other[2] >= box[0]
    return (sideways if across else around) and other[1] <= box[3] and other[3] >= box[1]


@dataclass(frozen=True, slots=True)
class Place:
    """One item: a label item where `date` is -1, else the source item of that date."""

    chip: int
    date: int = -1

    @property
    def collection(self) -> str:
        return SOURCE if self.date >= 0 else LABELS


@dataclass(frozen=True, slots=True)
class Sample:
    """The whole catalogue: so many label chips, each with so many dates of source imagery."""

    chips: int
    dates: int

    def moment(self, date: int) -> datetime:
        return LABELLED + timedelta(days=date * max(1, 365 // self.dates))

    def stamp(self, date: int) -> str:
        return self.moment(date).strftime("%Y%m%d")

    def item_id(self, place: Place) -> str:
        name = chip(place.chip).name
        return f"{LABELS}_{name}" if place.date < 0 else f"{SOURCE}_{name}_{self.stamp(place.date)}"

    def find(self, item_id: str) -> Place | None:
        """The item with this id, if the sample has it."""
        if match := _LABEL_ID.fullmatch(item_id):
            return self._existing(_number(match[1], match[2]), -1)
        if match := _SOURCE_ID.fullmatch(item_id):
            return self._existing(_number(match[1], match[2]), self.date_of(match[3]))
        return None

    def date_of(self, stamp: str) -> int | None:
        step = max(1, 365 // self.dates)
        try:
            day = (datetime.strptime(stamp, "%Y%m%d").replace(tzinfo=UTC) - LABELLED).days
        except ValueError:
            return None
        return day // step if day % step == 0 and 0 <= day // step < self.dates else None

    def _existing(self, number: int | None, date: int | None) -> Place | None:
        return None if number is None or date is None or number >= self.chips else Place(number, date)

    def chips_in(self, box: Box | None, numbers: range) -> Iterator[int]:
        """Those of `numbers` whose chip meets the box, in the order of `numbers`."""
        if box is None:
            yield from numbers
            return
        for run in _runs(numbers):
            pair = run[0] % _ROUND // _PAIR
            near = [touching(box, tile_box(2 * pair + second)) for second in range(2)]
            if any(near):
                yield from (n for n in run if near[n % 2] and touching(box, bounds(chip(n).ring())))


def _runs(numbers: range) -> Iterator[range]:
    """Cuts a range, of either direction, where one pair of tiles gives way to the next."""
    while numbers:
        first = numbers[0]
        length = _PAIR - first % _PAIR if numbers.step > 0 else first % _PAIR + 1
        yield numbers[:length]
        numbers = numbers[length:]
