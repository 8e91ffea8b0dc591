"""Where chips lie: Sentinel-2 tile names, their UTM squares, and the way to longitude and latitude."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

CHIP = 2560
"""a chip is 256 pixels of 10 m on a side"""
PER_SIDE = 42
"""chips that fit along one side of a tile"""

_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_NAME = re.compile(r"(\d\d)([NP])([A-Z])([A-Z])", re.ASCII)
_EASTINGS = range(2, 8)
# North of the equator only, and no square that straddles 8° N, where the band letter changes.
_NORTHINGS = (*range(8), *range(9, 16))
_ZONES = 60
TILES = _ZONES * len(_EASTINGS) * len(_NORTHINGS)


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
def tile(index: int) -> Tile:
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
