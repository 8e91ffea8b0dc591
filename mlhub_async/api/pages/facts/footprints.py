"""Where the items of a mirror lie: the bounding boxes of all footprints, the outlines of the first ones."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

from ....core.model import JsonObject
from ....stac.conditions.boxes import Flat
from ....stac.conditions.geometry import footprint_of

MAX_OUTLINES = 1_000
"""More items are shown by their density alone: each outline costs about 200 bytes of a page."""
MAX_PARTS = 32
"""A footprint of more parts counts as its bounding box."""
MAX_POINTS = 50_000
"""Of all outlines together; further ones are those of their boxes."""
OUTLINE_DETAIL = 200
"""Of an outline: what is smaller than this part of its extent is left out."""


class Outline(NamedTuple):
    """The footprint of one item: rings and lines of (longitude, latitude); a point is a line of one."""

    collection: str
    item: str
    lines: list[list[tuple[float, float]]]


class Footprints:
    """The footprints of items, those over the antimeridian cut there. 32 bytes of memory for each part."""

    def __init__(self) -> None:
        self._boxes = array("d")
        self._points = 0
        self.outlines: list[Outline] = []
        self.placed = 0
        """items that lie somewhere"""
        self.without = 0
        """items whose geometry is null or missing"""
        self.unusable = 0
        """items whose geometry cannot be read"""

    def add(self, collection: str, item: str, body: JsonObject) -> None:
        """Add the footprint of an item; one that it lacks is counted."""
        shape = footprint_of(body)
        parts = list(_parts(shape)) if shape is not None else []
        if not parts:
            self.without += body.get("geometry") is None
            self.unusable += body.get("geometry") is not None
            return
        self.placed += 1
        for box in parts:
            self._boxes.extend(box)
        if self.placed <= MAX_OUTLINES:
            self.outlines.append(Outline(collection, item, self._drawn(shape, parts)))

    def _drawn(self, shape: Any, parts: list[Flat]) -> list[list[tuple[float, float]]]:
        lines = _lines(shape)
        count = sum(map(len, lines))
        if self._points + count > MAX_POINTS:
            return [_corners(*box) for box in parts]
        self._points += count
        return lines

    @property
    def are_outlined(self) -> bool:
        """Whether every footprint has its outline."""
        return self.placed <= MAX_OUTLINES

    def boxes(self) -> Iterator[Flat]:
        """The bounding boxes of all parts."""
        numbers = iter(self._boxes)
        return zip(numbers, numbers, numbers, numbers, strict=True)


def _parts(shape: Any) -> Iterator[Flat]:
    """The boxes of a shape's parts, cut off at the poles; none if a coordinate is no number."""
    members = getattr(shape, "geoms", (shape,))
    for one in members if len(members) <= MAX_PARTS else (shape,):
        west, south, east, north = one.bounds
        if all(map(math.isfinite, (west, south, east, north))):
            yield max(west, -180.0), _latitude(south), min(east, 180.0), _latitude(north)


def _corners(west: float, south: float, east: float, north: float) -> list[tuple[float, float]]:
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _latitude(degrees: float) -> float:
    return min(max(degrees, -90.0), 90.0)


def _lines(shape: Any) -> list[list[tuple[float, float]]]:
    west, south, east, north = shape.bounds
    simple = shape.simplify(max(east - west, north - south) / OUTLINE_DETAIL)
    return list(_paths((simple if not simple.is_empty else shape).__geo_interface__))


def _paths(geometry: Any) -> Iterator[list[tuple[float, float]]]:
    for member in geometry.get("geometries", ()):
        yield from _paths(member)
    yield from _nested(geometry.get("coordinates", ()))


def _nested(coordinates: Any) -> Iterator[list[tuple[float, float]]]:
    """The lists of points in nested coordinates."""
    if not coordinates:
        return
    if isinstance(coordinates[0], float | int):
        yield [(coordinates[0], _latitude(coordinates[1]))]
    elif isinstance(coordinates[0][0], float | int):
        yield [(point[0], _latitude(point[1])) for point in coordinates]
    else:
        for one in coordinates:
            yield from _nested(one)
