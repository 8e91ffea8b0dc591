"""Tells of an area that matched nothing and whose numbers look like latitude before longitude."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Box = tuple[float, float, float, float]
"""West, south, east, north."""


def box_hint(selection: Mapping[str, Any], extents: Sequence[Sequence[Any]]) -> Iterator[str]:
    """A sentence where `--bbox` or `--intersects` was given. `extents`: boxes that collections declare."""
    option, box = _asked(selection)
    if box is None:
        return
    known = [found for one in extents if (found := _box(one)) is not None]
    west, south, east, north = box
    swapped = (south, west, north, east)
    if not (-90 <= west <= east <= 90):
        return
    text = " ".join(f"{number:g}" for number in swapped)
    instead = f"--bbox {text}" if option == "--bbox" else f"the area {text} (W S E N)"
    meets, would_meet = _meets_any(box, known), _meets_any(swapped, known)
    if would_meet and not meets:
        said = f"the numbers of {option} look like latitude before longitude"
        yield f"{said}: it touches no collection, {instead} does"
    elif meets or not known:
        yield f"the numbers of {option} are longitude before latitude; if yours are not, it is {instead}"


def _asked(selection: Mapping[str, Any]) -> tuple[str, Box | None]:
    if selection.get("bbox") is not None:
        return "--bbox", _box(selection["bbox"])
    return "--intersects", _bounds(selection.get("intersects"))


def _box(numbers: Sequence[Any]) -> Box | None:
    """Four of four or six numbers; None for anything else."""
    if len(numbers) not in (4, 6) or not all(isinstance(one, int | float) for one in numbers):
        return None
    half = len(numbers) // 2
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def _bounds(geometry: Any) -> Box | None:
    """The box around a geometry, with its numbers as they are written."""
    points = list(_positions(geometry))
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _positions(value: Any) -> Iterator[tuple[float, float]]:
    if isinstance(value, dict):
        for name in ("geometry", "geometries", "coordinates"):
            yield from _positions(value.get(name))
    elif isinstance(value, list | tuple):
        if len(value) > 1 and all(isinstance(one, int | float) for one in value[:2]):
            yield value[0], value[1]
        else:
            for one in value:
                yield from _positions(one)


def _meets_any(box: Box, others: Sequence[Box]) -> bool:
    return any(_meets(box, other) for other in others)


def _meets(box: Box, other: Box) -> bool:
    """Whether two boxes touch; each may cross the antimeridian."""
    if box[1] > other[3] or other[1] > box[3]:
        return False
    return any(one[0] <= two[1] and two[0] <= one[1] for one in _spans(box) for two in _spans(other))


def _spans(box: Box) -> list[tuple[float, float]]:
    return [(box[0], box[2])] if box[0] <= box[2] else [(box[0], 180.0), (-180.0, box[2])]
