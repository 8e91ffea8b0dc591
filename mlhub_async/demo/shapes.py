"""Whether a GeoJSON geometry meets a chip: planar geometry on longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from .sample import Box, bounds

Point = Sequence[float]
Line = Sequence[Point]
Part = tuple[str, list[Line]]
_SINGLE = {"Point", "LineString", "Polygon"}


def parts(geometry: Any) -> tuple[Part, ...]:
    """Its points, lines and polygons, each as a list of lines. `ValueError` if it is no geometry."""
    try:
        found = tuple(_parts(geometry))
        box_of(found)
    except (TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise ValueError("intersects must be a GeoJSON geometry.") from None
    return found


def _parts(geometry: Any) -> Iterator[Part]:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for each in geometry["geometries"]:
            yield from _parts(each)
        return
    single = kind.removeprefix("Multi")
    if single not in _SINGLE:
        raise ValueError("intersects must be a GeoJSON geometry.")
    for coordinates in [geometry["coordinates"]] if kind == single else geometry["coordinates"]:
        yield single, {"Point": [[coordinates]], "LineString": [coordinates]}.get(single, coordinates)


def box_of(found: tuple[Part, ...]) -> Box:
    points = [(float(point[0]), float(point[1])) for _, lines in found for line in lines for point in line]
    if not points:
        raise ValueError("intersects must have coordinates.")
    return bounds(points)


def meets(found: tuple[Part, ...], ring: Line) -> bool:
    """Whether any part meets the area within the ring; touching counts."""
    return any(_meets(kind, lines, ring) for kind, lines in found)


def _meets(kind: str, lines: list[Line], ring: Line) -> bool:
    if any(_within(point, [ring]) for line in lines for point in line):
        return True
    if any(_cross(*side, *edge) for line in lines for side in pairwise(line) for edge in pairwise(ring)):
        return True
    return kind == "Polygon" and _within(ring[0], lines)


def _within(point: Point, rings: list[Line]) -> bool:
    """Even-odd rule: a ray to the east crosses the outline an odd number of times."""
    x, y = point[0], point[1]
    inside = False
    for ring in rings:
        for a, b in pairwise(ring):
            if (a[1] > y) != (b[1] > y) and x < a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]):
                inside = not inside
    return inside


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    ends = _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0
    return ends and all(
        min(a[i], b[i]) <= max(c[i], d[i]) and min(c[i], d[i]) <= max(a[i], b[i]) for i in (0, 1)
    )


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
