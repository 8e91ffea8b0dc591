"""Maps of the footprints of a mirror: the world, and the region in which they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from ..facts.footprints import Footprints, Outline
from .density import DensityClass, Grid
from .projection import WORLD, Label, Window

WORLD_COLUMNS = 200
REGION_COLUMNS = 125
MARGIN = 0.08
"""Of a region around the footprints, as a part of their extent."""
MIN_EXTENT = 0.2
"""Degrees that a region shows at least."""
MAX_EXTENT = 150
"""Degrees of longitude: what lies wider apart has no map of a region."""
BINS = 720
"""Of longitudes, to find the largest gap between footprints."""


@dataclass(frozen=True, slots=True)
class DrawnOutline:
    """The outline of one item as the path of an SVG."""

    collection: str
    item: str
    path: str


@dataclass(frozen=True, slots=True)
class CoverageMap:
    """One map. `outlines` stand for all items, or else `density` does."""

    window: Window
    density: list[DensityClass]
    outlines: list[DrawnOutline]

    @property
    def graticule(self) -> tuple[str, list[Label], list[Label]]:
        return self.window.graticule()


def coastlines() -> str:
    """The path of the land of the world, in tenths of a degree."""
    text = files(__package__).joinpath("land.svg").read_text("ascii")
    found = re.search(r' d="([^"]+)"', text)
    return found[1] if found else ""


def coverage_maps(footprints: Footprints) -> list[CoverageMap]:
    """The map of the world, and that of the region where the footprints are not all over the world."""
    if not footprints.placed:
        return []
    maps = [CoverageMap(WORLD, _density(WORLD, WORLD_COLUMNS, footprints), [])]
    if (region := region_of(footprints)) is not None:
        outlined = footprints.are_outlined
        density = [] if outlined else _density(region, REGION_COLUMNS, footprints)
        outlines = [_drawn(one, region) for one in footprints.outlines] if outlined else []
        maps.append(CoverageMap(region, density, outlines))
    return maps


def _density(window: Window, columns: int, footprints: Footprints) -> list[DensityClass]:
    grid = Grid(window, columns)
    grid.add(footprints.boxes())
    return grid.classes()


def region_of(footprints: Footprints) -> Window | None:
    """The window around all footprints, over the antimeridian if they lie on both sides of that."""
    west, east = _longitudes(footprints)
    if east - west > MAX_EXTENT:
        return None
    south = min(box[1] for box in footprints.boxes())
    north = max(box[3] for box in footprints.boxes())
    space = max(east - west, north - south, MIN_EXTENT) * MARGIN
    west, east = _widened(west - space, east + space, max((north - south) * 1.2, MIN_EXTENT))
    south, north = _widened(south - space, north + space, MIN_EXTENT / 2)
    return Window(west, max(south, -90), east, min(north, 90))


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    more = max(least - (high - low), 0) / 2
    return low - more, high + more


def _longitudes(footprints: Footprints) -> tuple[float, float]:
    """West and east of all footprints, around the world by the way that leaves out their largest gap."""
    gap_start, gap = _largest_gap(footprints)
    if gap == 0:
        return -180.0, 180.0
    turned = [
        (west + 360 if west < gap_start else west, east + 360 if west < gap_start else east)
        for west, _, east, _ in footprints.boxes()
    ]
    low, high = min(west for west, _ in turned), max(east for _, east in turned)
    return (low - 360, high - 360) if low >= 180 else (low, high)


def _largest_gap(footprints: Footprints) -> tuple[float, int]:
    """Where the longest run of bins without a footprint begins (a longitude), and its length in bins."""
    steps = [0] * (BINS + 1)
    for west, _, east, _ in footprints.boxes():
        steps[_bin(west)] += 1
        steps[_bin(east) + 1] -= 1
    covered, count = [], 0
    for step in steps[:-1]:
        count += step
        covered.append(count > 0)
    best, best_start, length = 0, 0, 0
    for number in range(2 * BINS):  # twice around: a gap may lie over the antimeridian
        length = 0 if covered[number % BINS] else length + 1
        if best < length <= BINS:
            best, best_start = length, number - length + 1
    return (best_start % BINS) * 360 / BINS - 180, best


def _bin(longitude: float) -> int:
    return min(int((longitude + 180) * BINS / 360), BINS - 1)


def _drawn(outline: Outline, window: Window) -> DrawnOutline:
    return DrawnOutline(
        outline.collection, outline.item, "".join(_line(line, window) for line in outline.lines)
    )


def _line(line: list[tuple[float, float]], window: Window) -> str:
    """The path of a line. One point is drawn by its stroke."""
    (x, y), *rest = (window.point(*place) for place in line)
    path = f"M{x} {y}" + "".join(f"L{a} {b}" for a, b in rest)
    return path + ("z" if len(line) < 2 or line[0] == line[-1] else "")
