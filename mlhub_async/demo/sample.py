"""What the sample catalogue contains: chips, dates, ids and file names, all computed from a number.

Nothing is stored, so two million chips cost no more memory than six.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

DATASET = "ref_landcovernet_v1"
LABELS = f"{DATASET}_labels"
SOURCE = f"{DATASET}_source"
COLLECTIONS = (LABELS, SOURCE)
LABELLED = datetime(2018, 1, 1, tzinfo=UTC)

CHIP = 2560
"""a chip is 256 pixels of 10 m on a side"""
PER_SIDE = 42
"""chips that fit along one side of a tile"""


_NAME = re.compile(r"(\d\d)([NP])([A-Z])([A-Z])", re.ASCII)
_EASTINGS = range(2, 8)
# North of the equator only, and no square that straddles 8° N, where the band letter changes.
_NORTHINGS = (*range(8), *range(9, 16))
_ZONES = 60
TILES = _ZONES * len(_EASTINGS) * len(_NORTHINGS)

_PER_TILE = 30
_PAIR = 2 * _PER_TILE
_ROUND = TILES * _PER_TILE
MOST_CHIPS = _ROUND * (PER_SIDE**2 // _PER_TILE)
_LABEL_ID = re.compile(rf"{LABELS}_(\w{{5}})_(\d{{1,4}})", re.ASCII)
_SOURCE_ID = re.compile(rf"{SOURCE}_(\w{{5}})_(\d{{1,4}})_(\d{{8}})", re.ASCII)

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Chip:
    """One square of land that was labelled."""

    number: int
    tile: Tile
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
        low, far = north - CHIP, east + CHIP
        points = [
            lonlat(self.tile.zone, e, n) for e, n in ((east, low), (far, low), (far, north), (east, north))
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
    return Chip(number, tile_at(2 * pair + second), turn * _PER_TILE + (12 + 17 * step) % _PER_TILE)


def _number(tile_name: str, spot: str) -> int | None:
    """The inverse of `chip`."""
    tile = index_of(tile_name)
    if tile is None or str(int(spot)) != spot:
        return None
    turn, place = divmod(int(spot), _PER_TILE)
    step = (place - 12) * 23 % _PER_TILE
    return turn * _ROUND + tile // 2 * _PAIR + 2 * step + tile % 2


@lru_cache(maxsize=8192)
def tile_box(index: int) -> Box:
    """A box that holds every chip of the tile."""
    tile = tile_at(index)
    east, north = tile.corner(0)
    reach = PER_SIDE * CHIP
    spots = [(east + dx, north - dy) for dx in (0, reach / 2, reach) for dy in (0, reach / 2, reach)]
    west, south, right, top = bounds([lonlat(tile.zone, *spot) for spot in spots])
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


_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"


@dataclass(frozen=True, slots=True)
class Tile:
    """One 100 km square of one UTM zone; `east` and `north` count 100 km steps."""

    zone: int
    east: int
    north: int

    @property
    def name(self) -> str:
        column = _COLUMNS[self.zone % 3][self.east - 1]
        row = _ROWS[(self.north + 5 * (self.zone % 2 == 0)) % 20]
        return f"{self.zone:02}{'N' if self.north < 8 else 'P'}{column}{row}"

    @property
    def epsg(self) -> int:
        return 32600 + self.zone

    def corner(self, chip: int) -> tuple[int, int]:
        """Easting and northing of the upper left corner of the tile's chip with this number."""
        down, across = divmod(chip, PER_SIDE)
        return self.east * 100_000 - 40 + across * CHIP, (self.north + 1) * 100_000 + 20 - down * CHIP


def _parsed(name: str) -> Tile | None:
    """The tile of this name, if it is one of ours."""
    if not (match := _NAME.fullmatch(name)):
        return None
    zone, band, column, row = int(match[1]), match[2], match[3], match[4]
    east = _COLUMNS[zone % 3].find(column) + 1
    north = (_ROWS.find(row) - 5 * (zone % 2 == 0)) % 20
    tile = Tile(zone, east, north if band == "N" or north >= 8 else north + 20)
    ours = 1 <= zone <= _ZONES and row in _ROWS and east in _EASTINGS and tile.north in _NORTHINGS
    return tile if ours and tile.name == name else None


def _place(tile: Tile) -> int:
    plane = _NORTHINGS.index(tile.north) * len(_EASTINGS) + _EASTINGS.index(tile.east)
    return plane * _ZONES + tile.zone - 1


def _swapped(index: int) -> int:
    """Puts two tiles that everybody knows from LandCoverNet at the front. Its own inverse."""
    known = (_place(Tile(29, 4, 6)), _place(Tile(38, 2, 12)))
    return {0: known[0], 1: known[1], known[0]: 0, known[1]: 1}.get(index, index)


@lru_cache(maxsize=TILES)
def tile_at(index: int) -> Tile:
    """The tile with this number, of `TILES`; 29NMG and 38PKT come first."""
    plane, zone = divmod(_swapped(index), _ZONES)
    north, east = divmod(plane, len(_EASTINGS))
    return Tile(zone + 1, _EASTINGS[east], _NORTHINGS[north])


def index_of(name: str) -> int | None:
    found = _parsed(name)
    return None if found is None else _swapped(_place(found))


def lonlat(zone: int, easting: float, northing: float) -> tuple[float, float]:
    """WGS 84 longitude and latitude of a northern UTM position: Krüger's series, good to millimetres."""
    n = 0.0016792203863837
    radius = 6378137.0 / (1 + n) * (1 + n**2 / 4 + n**4 / 64) * 0.9996
    xi, eta = northing / radius, (easting - 500_000) / radius
    back = (n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480)
    up = (2 * n - 2 * n**2 / 3 - 2 * n**3, 7 * n**2 / 3 - 8 * n**3 / 5, 56 * n**3 / 15)
    x = xi - sum(b * math.sin(2 * j * xi) * math.cosh(2 * j * eta) for j, b in enumerate(back, 1))
    y = eta - sum(b * math.cos(2 * j * xi) * math.sinh(2 * j * eta) for j, b in enumerate(back, 1))
    chi = math.asin(math.sin(x) / math.cosh(y))
    latitude = chi + sum(d * math.sin(2 * j * chi) for j, d in enumerate(up, 1))
    longitude = math.atan2(math.sinh(y), math.cos(x))
    return zone * 6 - 183 + math.degrees(longitude), math.degrees(latitude)
