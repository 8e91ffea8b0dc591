"""Boxes and GeoJSON shapes: whether an item's footprint meets what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from ..core.errors import UsageError
from ..core.model import JsonObject

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east for a box over the antimeridian."""
Point = tuple[float, float]


def parse_box(numbers: Sequence[float]) -> Box:
    """The box of a 2- or 3-dimensional bbox. Raises `UsageError` for anything else."""
    found = _box(list(numbers))
    if found is None or found[1] > found[3]:
        raise UsageError(f"--bbox {' '.join(map(str, numbers))} is not W S E N (or with heights, 6 numbers)")
    return found


def box_of(geometry: JsonObject) -> Box | None:
    """The box around a GeoJSON geometry, or None where it has no position at all."""
    points = [point for path in _paths(geometry) for point in path]
    if not points:
        return None
    easts, norths = zip(*points, strict=True)
    return min(easts), min(norths), max(easts), max(norths)


def touches_box(wanted: Box) -> Callable[[JsonObject], bool]:
    """A test whether an item's footprint meets the box: its geometry, else its bbox, as servers do it."""
    halves = list(_split(wanted))

    def touches(body: JsonObject) -> bool:
        own = _own_box(body)
        if own is None:
            return False
        near = [one for one in halves if any(_overlap(one, half) for half in _split(own))]
        geometry = body.get("geometry")
        if not near or not isinstance(geometry, dict) or own[0] > own[2]:
            return bool(near)
        return any(_contains(one, own) or _meets(geometry, one) for one in near)

    return touches


def near_geometry(wanted: JsonObject) -> Callable[[JsonObject], bool]:
    """A test whether an item's box meets the box around the geometry.

    It is cheap, and all items that meet the geometry itself pass it. Raises `UsageError` for a geometry
    without coordinates.
    """
    around = box_of(wanted)
    if around is None:
        raise UsageError("--intersects has no coordinates: give a GeoJSON geometry")

    def near(body: JsonObject) -> bool:
        own = _own_box(body)
        return own is not None and any(_overlap(around, half) for half in _split(own))

    return near


def _own_box(body: JsonObject) -> Box | None:
    found = _box(body.get("bbox"))
    geometry = body.get("geometry")
    return box_of(geometry) if found is None and isinstance(geometry, dict) else found


def _box(numbers: Any) -> Box | None:
    if not isinstance(numbers, list) or len(numbers) not in (4, 6):
        return None
    if not all(isinstance(n, int | float) and isfinite(n) for n in numbers):
        return None
    half = len(numbers) // 2
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def _split(whole: Box) -> Iterator[Box]:
    """The box, or for one over the antimeridian the two boxes beside it."""
    west, south, east, north = whole
    if west <= east:
        yield whole
    else:
        yield west, south, 180.0, north
        yield -180.0, south, east, north


def _overlap(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _contains(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def _meets(geometry: JsonObject, part: Box) -> bool:
    """Whether a line of the geometry runs through the box, or the box lies inside a polygon of it."""
    paths = list(_paths(geometry))
    if any(_crosses(path, part) for path in paths):
        return True
    return "Polygon" in str(geometry.get("type")) and _inside((part[0], part[1]), paths)


def _paths(geometry: JsonObject) -> Iterator[list[Point]]:
    """Every line, ring or single point of a geometry as a list of positions."""
    members = geometry.get("geometries")
    if isinstance(members, list):
        for member in members:
            yield from _paths(member) if isinstance(member, dict) else ()
    else:
        yield from _lists(geometry.get("coordinates"))


def _lists(coordinates: Any, depth: int = 0) -> Iterator[list[Point]]:
    if not isinstance(coordinates, list) or depth > 4:
        return
    if _is_point(coordinates):
        yield [(coordinates[0], coordinates[1])]
    elif all(map(_is_point, coordinates)):
        yield [(one[0], one[1]) for one in coordinates]
    else:
        for one in coordinates:
            yield from _lists(one, depth + 1)


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(n, int | float) for n in value[:2])


def _crosses(path: list[Point], part: Box) -> bool:
    return any(map(lambda a, b: _cuts(a, b, part), path, path[1:] or path))


def _cuts(a: Point, b: Point, part: Box) -> bool:
    """Whether the segment a-b meets the box (Liang and Barsky's clipping)."""
    enters, leaves = 0.0, 1.0
    for axis in (0, 1):
        run = b[axis] - a[axis]
        low, high = part[axis] - a[axis], part[axis + 2] - a[axis]
        if run == 0:
            if low > 0 or high < 0:
                return False
            continue
        first, last = sorted((low / run, high / run))
        enters, leaves = max(enters, first), min(leaves, last)
    return enters <= leaves


def _inside(point: Point, rings: list[list[Point]]) -> bool:
    """Even-odd over all rings, so holes are outside."""
    x, y = point
    odd = False
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                odd = not odd
    return odd
