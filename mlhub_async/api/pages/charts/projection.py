"""A rectangle of longitudes and latitudes as the user space of an SVG, and its graticule.

Plate carrée; in a map of a small region a degree of longitude is as long as it is in its middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

WIDTH = 10_000
"""Of every map in user units; its coordinates are whole numbers."""
MAX_HEIGHT = 9_000
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30)
"""Degrees between the lines of a graticule."""
MAX_LINES = 8
LAND_UNITS = 10
"""Of land.svg per degree."""


class Label(NamedTuple):
    """A text at a place in user units."""

    x: int
    y: int
    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """What a map shows, in degrees. `east` may be above 180: then it goes on over the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    @property
    def x_scale(self) -> float:
        """User units per degree of longitude."""
        return WIDTH / (self.east - self.west)

    @property
    def y_scale(self) -> float:
        """User units per degree of latitude."""
        if self.east - self.west >= 180:
            return self.x_scale
        middle = math.radians((self.south + self.north) / 2)
        return self.x_scale / max(math.cos(middle), 0.1)

    @property
    def height(self) -> int:
        return round((self.north - self.south) * self.y_scale)

    def point(self, longitude: float, latitude: float) -> tuple[int, int]:
        """User units of a place. A longitude west of the window is taken for one a turn further east."""
        if longitude < self.west - 1e-9:
            longitude += 360
        return round((longitude - self.west) * self.x_scale), round((self.north - latitude) * self.y_scale)

    def land_transforms(self) -> list[str]:
        """Transforms that put land.svg in its place, one for each turn of the world that is to be seen."""
        sx, sy = self.x_scale / LAND_UNITS, self.y_scale / LAND_UNITS
        return [
            f"translate({(turn - self.west) * self.x_scale:.1f} {self.north * self.y_scale:.1f}) "
            f"scale({sx:.4f} {sy:.4f})"
            for turn in (-360, 0, 360)
        ]

    def graticule(self) -> tuple[str, list[Label], list[Label]]:
        """A path of meridians and parallels; labels at the lower and at the left edge."""
        meridians = [(self.point(degree, 0)[0], degree) for degree in self._lines(self.west, self.east)]
        parallels = [
            (self.point(self.west, degree)[1], degree) for degree in self._lines(self.south, self.north)
        ]
        path = "".join(f"M{x} 0v{self.height}" for x, _ in meridians)
        path += "".join(f"M0 {y}h{WIDTH}" for y, _ in parallels)
        below = [Label(x, self.height, _degrees(_wrapped(degree), "E", "W")) for x, degree in meridians]
        return path, below, [Label(0, y, _degrees(degree, "N", "S")) for y, degree in parallels]

    def _lines(self, first: float, last: float) -> Iterator[float]:
        widest = max(self.east - self.west, self.north - self.south)
        step = next((step for step in STEPS if widest / step <= MAX_LINES), 45)
        number = math.floor(first / step) + 1
        while number * step < last - 1e-9:
            yield number * step
            number += 1


WORLD = Window(-180.0, -90.0, 180.0, 90.0)


def _wrapped(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def _degrees(degree: float, positive: str, negative: str) -> str:
    side = positive if degree > 1e-9 else negative if degree < -1e-9 else ""
    return f"{abs(degree):.2f}".rstrip("0").rstrip(".") + "°" + side
