"""The content of the sample catalogue: chips, dates, ids and file names, all computed from a number.

Nothing is stored, so two million chips take no more memory than six. The layout follows LandCoverNet: a
chip is a square of 256 x 256 pixels in a tile of the Sentinel-2 grid, which is that of MGRS.
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
LABEL_DATETIME = datetime(2018, 1, 1, tzinfo=UTC)

CHIP_METRES = 2560
"""The side of a chip: 256 pixels of 10 m."""
CHIPS_PER_SIDE = 42
"""Chips along one side of a tile."""

_TILE_NAME = re.compile(r"(\d\d)([NP])([A-Z])([A-Z])", re.ASCII)
_COLUMN_LETTERS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
_EASTINGS = range(2, 8)
# North of the equator only, and no square that contains 8° N, where the band letter changes.
_NORTHINGS = (*range(8), *range(9, 16))
_ZONES = 60
TILES = _ZONES * len(_EASTINGS) * len(_NORTHINGS)

_PER_TILE = 30
"""Chips of a tile in one round over all tiles."""
_PER_PAIR = 2 * _PER_TILE
_PER_ROUND = TILES * _PER_TILE
MAX_CHIPS = _PER_ROUND * (CHIPS_PER_SIDE**2 // _PER_TILE)
_LABEL_ID = re.compile(rf"{LABELS}_(\w{{5}})_(\d{{1,4}})", re.ASCII)
_SOURCE_ID = re.compile(rf"{SOURCE}_(\w{{5}})_(\d{{1,4}})_(\d{{8}})", re.ASCII)

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One labelled square of land; `position` is its number within the tile, row by row."""

    number: int
    tile: Tile
    position: int

    @property
    def name(self) -> str:
        return f"{self.tile.name}_{self.position}"

    @property
    def corner(self) -> tuple[int, int]:
        """Easting and northing of the upper left corner, in metres."""
        return self.tile.corner(self.position)

    def ring(self) -> list[tuple[float, float]]:
        """Its outline in longitude and latitude, closed and counter-clockwise."""
        west, north = self.corner
        south, east = north - CHIP_METRES, west + CHIP_METRES
        corners = ((west, south), (east, south), (east, north), (west, north))
        points = [to_lonlat(self.tile.zone, *corner) for corner in corners]
        return [*points, points[0]]


def bounds(ring: list[tuple[float, float]]) -> Box:
    longitudes, latitudes = [point[0] for point in ring], [point[1] for point in ring]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


@lru_cache(maxsize=4096)
def chip_at(number: int) -> Chip:
    """The chip with this number. Numbers go in rounds over all tiles, 30 per tile, two tiles alternating."""
    round_number, rest = divmod(number, _PER_ROUND)
    pair, rest = divmod(rest, _PER_PAIR)
    step, second = divmod(rest, 2)
    position = round_number * _PER_TILE + (12 + 17 * step) % _PER_TILE
    return Chip(number, tile_at(2 * pair + second), position)


def _chip_number(tile_name: str, position_text: str) -> int | None:
    """The inverse of `chip_at`; None if there is no such chip."""
    tile = tile_index(tile_name)
    if tile is None or str(int(position_text)) != position_text:
        return None
    round_number, position = divmod(int(position_text), _PER_TILE)
    step = (position - 12) * 23 % _PER_TILE  # 23 is the inverse of 17 modulo 30
    return round_number * _PER_ROUND + tile // 2 * _PER_PAIR + 2 * step + tile % 2


@lru_cache(maxsize=8192)
def tile_box(index: int) -> Box:
    """A box that contains every chip of the tile."""
    tile = tile_at(index)
    west, north = tile.corner(0)
    side = CHIPS_PER_SIDE * CHIP_METRES
    points = [(west + dx, north - dy) for dx in (0, side / 2, side) for dy in (0, side / 2, side)]
    box = bounds([to_lonlat(tile.zone, *point) for point in points])
    return box[0] - 0.01, box[1] - 0.01, box[2] + 0.01, box[3] + 0.01


def boxes_intersect(box: Box, other: Box) -> bool:
    """Whether two boxes share a point; if the west of `box` exceeds its east it crosses the antimeridian."""
    from_west, to_east = other[2] >= box[0], other[0] <= box[2]
    in_longitude = (from_west and to_east) if box[0] <= box[2] else (from_west or to_east)
    return in_longitude and other[1] <= box[3] and other[3] >= box[1]


@dataclass(frozen=True, slots=True)
class ItemKey:
    """Identifies an item: the label item of a chip if `date` is -1, else its source item of that date."""

    chip: int
    date: int = -1

    @property
    def collection(self) -> str:
        return SOURCE if self.date >= 0 else LABELS


@dataclass(frozen=True, slots=True)
class Sample:
    """The whole catalogue: the number of chips, and of dates with source imagery for each chip."""

    chips: int
    dates: int

    def datetime_of(self, date: int) -> datetime:
        return LABEL_DATETIME + timedelta(days=date * self._days_between_dates)

    @property
    def _days_between_dates(self) -> int:
        return max(1, 365 // self.dates)

    def date_stamp(self, date: int) -> str:
        """YYYYMMDD."""
        return self.datetime_of(date).strftime("%Y%m%d")

    def item_id(self, key: ItemKey) -> str:
        name = chip_at(key.chip).name
        return f"{LABELS}_{name}" if key.date < 0 else f"{SOURCE}_{name}_{self.date_stamp(key.date)}"

    def find(self, item_id: str) -> ItemKey | None:
        """The item with this id, if the sample has it."""
        if match := _LABEL_ID.fullmatch(item_id):
            return self._if_present(_chip_number(match[1], match[2]), -1)
        if match := _SOURCE_ID.fullmatch(item_id):
            return self._if_present(_chip_number(match[1], match[2]), self._date_number(match[3]))
        return None

    def _date_number(self, stamp: str) -> int | None:
        step = self._days_between_dates
        try:
            day = (datetime.strptime(stamp, "%Y%m%d").replace(tzinfo=UTC) - LABEL_DATETIME).days
        except ValueError:
            return None
        return day // step if day % step == 0 and 0 <= day // step < self.dates else None

    def _if_present(self, number: int | None, date: int | None) -> ItemKey | None:
        return None if number is None or date is None or number >= self.chips else ItemKey(number, date)

    def chips_in(self, box: Box | None, numbers: range) -> Iterator[int]:
        """Those of `numbers` whose chip intersects the box, in the order of `numbers`."""
        if box is None:
            yield from numbers
            return
        for run in _split_by_tile_pair(numbers):
            pair = run[0] % _PER_ROUND // _PER_PAIR
            near = [boxes_intersect(box, tile_box(2 * pair + second)) for second in range(2)]
            if any(near):
                near_chips = (n for n in run if near[n % 2])
                yield from (n for n in near_chips if boxes_intersect(box, bounds(chip_at(n).ring())))


def _split_by_tile_pair(numbers: range) -> Iterator[range]:
    """Split a range of chip numbers, ascending or descending, into runs of one pair of tiles each."""
    while numbers:
        first = numbers[0]
        length = _PER_PAIR - first % _PER_PAIR if numbers.step > 0 else first % _PER_PAIR + 1
        yield numbers[:length]
        numbers = numbers[length:]


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of 100 km in a UTM zone; `east` and `north` count steps of 100 km."""

    zone: int
    east: int
    north: int

    @property
    def name(self) -> str:
        """Its name in the military grid reference system, such as 29NMG."""
        column = _COLUMN_LETTERS[self.zone % 3][self.east - 1]
        row = _ROW_LETTERS[(self.north + 5 * (self.zone % 2 == 0)) % 20]
        return f"{self.zone:02}{'N' if self.north < 8 else 'P'}{column}{row}"

    @property
    def epsg(self) -> int:
        return 32600 + self.zone

    def corner(self, position: int) -> tuple[int, int]:
        """Easting and northing of the upper left corner of the chip at this position, in metres."""
        row, column = divmod(position, CHIPS_PER_SIDE)
        west, north = self.east * 100_000 - 40, (self.north + 1) * 100_000 + 20
        return west + column * CHIP_METRES, north - row * CHIP_METRES


def _parse_tile(name: str) -> Tile | None:
    """The tile with this name, if the sample has it."""
    if not (match := _TILE_NAME.fullmatch(name)):
        return None
    zone, band, column, row = int(match[1]), match[2], match[3], match[4]
    east = _COLUMN_LETTERS[zone % 3].find(column) + 1
    north = (_ROW_LETTERS.find(row) - 5 * (zone % 2 == 0)) % 20
    tile = Tile(zone, east, north if band == "N" or north >= 8 else north + 20)
    known = 1 <= zone <= _ZONES and row in _ROW_LETTERS and east in _EASTINGS and tile.north in _NORTHINGS
    return tile if known and tile.name == name else None


def _grid_index(tile: Tile) -> int:
    plane = _NORTHINGS.index(tile.north) * len(_EASTINGS) + _EASTINGS.index(tile.east)
    return plane * _ZONES + tile.zone - 1


def _swap_known_first(index: int) -> int:
    """Swaps two tiles that users know from LandCoverNet with the first two. Its own inverse."""
    known = (_grid_index(Tile(29, 4, 6)), _grid_index(Tile(38, 2, 12)))
    return {0: known[0], 1: known[1], known[0]: 0, known[1]: 1}.get(index, index)


@lru_cache(maxsize=TILES)
def tile_at(index: int) -> Tile:
    """The tile with this number, 0 to `TILES` - 1; 29NMG and 38PKT come first."""
    plane, zone = divmod(_swap_known_first(index), _ZONES)
    north, east = divmod(plane, len(_EASTINGS))
    return Tile(zone + 1, _EASTINGS[east], _NORTHINGS[north])


def tile_index(name: str) -> int | None:
    """The inverse of `tile_at`, by name."""
    tile = _parse_tile(name)
    return None if tile is None else _swap_known_first(_grid_index(tile))


def to_lonlat(zone: int, easting: float, northing: float) -> tuple[float, float]:
    """WGS 84 longitude and latitude of a northern UTM position: Krüger's series, exact to millimetres."""
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
