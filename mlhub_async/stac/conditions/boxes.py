"""Boxes of degrees: what `--bbox` means, as the boxes that a server is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

from ...core.errors import UsageError

Flat = tuple[float, float, float, float]
"""West, south, east, north in degrees, west <= east."""


class Box(NamedTuple):
    """A box that was asked for: the flat boxes that it consists of, and its lowest and highest height."""

    parts: tuple[Flat, ...]
    heights: tuple[float, float] | None


def parse_box(numbers: Sequence[float]) -> Box:
    """The box of a 2- or 3-dimensional bbox. One over the antimeridian has two parts, east of it and west.

    Raises `UsageError` for anything else.
    """
    found = box_numbers(list(numbers))
    if found is None or found[1] > found[3]:
        raise UsageError(f"--bbox {' '.join(map(str, numbers))} is not W S E N (or with heights, 6 numbers)")
    heights = (numbers[2], numbers[5]) if len(numbers) == 6 else None
    if heights and heights[0] > heights[1]:
        raise UsageError(f"--bbox {' '.join(map(str, numbers))}: the lowest height is above the highest")
    return Box(halves(found), heights)


def box_numbers(numbers: Any) -> Flat | None:
    """West, south, east and north of a bbox as documents have it; west > east over the antimeridian."""
    if not isinstance(numbers, list) or len(numbers) not in (4, 6):
        return None
    if not all(isinstance(n, int | float) and isfinite(n) for n in numbers):
        return None
    half = len(numbers) // 2
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def halves(box: Flat) -> tuple[Flat, ...]:
    """The box, or for one over the antimeridian the two beside it. Longitudes may be beyond 180 degrees."""
    west, south, east, north = box
    if west <= east and east - west >= 360:
        return ((-180, south, 180, north),)
    if west < -180 or east > 180:
        west, east = _wrapped(west), _wrapped(east)
    if west <= east:
        return ((west, south, east, north),)
    return (west, south, 180, north), (-180, south, east, north)


def _wrapped(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180
