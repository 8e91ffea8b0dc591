"""Draws the features of a GeoJSON label as SVG, in the colours of their classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ....core.json_text import parse_json
from ....core.urls import term_safe
from .palette import Swatch
from .raster import NoPreview

MAX_BYTES = 16 << 20
MAX_POINTS = 50_000
"""Of one picture; the features after that are left out."""
PLAIN = "#1d70b8"

Point = tuple[float, float]


def draw_features(path: Path, size: int, legend: Sequence[Swatch], properties: Sequence[str]) -> bytes:
    """An SVG `size` pixels wide. `properties`: of a feature, those that may hold its class.

    Raises `NoPreview` for what is no GeoJSON, or too large.
    """
    if path.stat().st_size > MAX_BYTES:
        raise NoPreview("Too large to be drawn")
    try:
        body = parse_json(path.read_bytes())
    except ValueError:
        raise NoPreview("No JSON") from None
    features = [
        (lines, feature) for feature in _features(body) if (lines := list(_lines(feature.get("geometry"))))
    ]
    if not features:
        raise NoPreview("No features to draw")
    return _Drawing([lines for lines, _ in features], size).svg(
        [(lines, _colour(feature, legend, properties)) for lines, feature in features]
    )


def _features(body: Any) -> list[Mapping[str, Any]]:
    if not isinstance(body, dict):
        raise NoPreview("No GeoJSON")
    found = body.get("features") if body.get("type") == "FeatureCollection" else [body]
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _lines(geometry: Any) -> Iterator[list[Point]]:
    """Rings, lines and points of a geometry, each as a list of points."""
    if not isinstance(geometry, dict):
        return
    for member in geometry.get("geometries") or ():
        yield from _lines(member)
    yield from _nested(geometry.get("coordinates"), 0)


def _nested(value: Any, depth: int) -> Iterator[list[Point]]:
    if not isinstance(value, list) or not value or depth > 4:
        return
    if (point := _point(value)) is not None:
        yield [point]
    elif (points := [_point(one) for one in value]) and all(points):
        yield [one for one in points if one is not None]
    else:
        for one in value:
            yield from _nested(one, depth + 1)


def _point(value: Any) -> Point | None:
    if not isinstance(value, list) or len(value) < 2:
        return None
    x, y = value[:2]
    if not all(type(one) in (int, float) and math.isfinite(one) for one in (x, y)):
        return None
    return x, y


def _colour(feature: Mapping[str, Any], legend: Sequence[Swatch], properties: Sequence[str]) -> str:
    """That of the class which one of the properties names, by its value or its name."""
    found = feature.get("properties")
    held = found if isinstance(found, dict) else {}
    known = {str(key): one.hex for one in reversed(legend) for key in (one.value, one.name)}
    named = [held[name] for name in properties if name in held] or list(held.values())
    return next((known[str(value)] for value in named if str(value) in known), PLAIN)


class _Drawing:
    """The plane of a picture: north is up, a degree of longitude as long as it is in the middle."""

    def __init__(self, features: Sequence[Sequence[Sequence[Point]]], size: int) -> None:
        points = [point for lines in features for line in lines for point in line]
        self._west, self._north = min(x for x, _ in points), max(y for _, y in points)
        east, south = max(x for x, _ in points), min(y for _, y in points)
        is_geographic = max(map(abs, (self._west, east))) <= 360 and max(map(abs, (south, self._north))) <= 90
        middle = math.cos(math.radians((south + self._north) / 2)) if is_geographic else 1.0
        self._stretch = max(middle, 0.05)
        extent = max((east - self._west) * self._stretch, self._north - south) or 1.0
        self._scale = (size - 8) / extent
        self.size = size

    def svg(self, features: Sequence[tuple[Sequence[Sequence[Point]], str]]) -> bytes:
        shapes, points = [], 0
        for lines, colour in features:
            points += sum(map(len, lines))
            if points > MAX_POINTS:
                break
            shapes.append(f'<path d="{"".join(map(self._path, lines))}" fill="{colour}" stroke="{colour}"/>')
        left_out = len(features) - len(shapes)
        title = f"{len(features)} features" + (f", {left_out} of them not drawn" if left_out else "")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.size}" height="{self.size}" '
            f'viewBox="0 0 {self.size} {self.size}"><title>{escape(term_safe(title))}</title>'
            f'<rect width="100%" height="100%" fill="#fff"/><g fill-opacity=".45" fill-rule="evenodd" '
            f'stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">{"".join(shapes)}</g></svg>'
        ).encode()

    def _path(self, line: Sequence[Point]) -> str:
        (x, y), *rest = (self._place(point) for point in line)
        if not rest:
            return f"M{x - 2:.1f} {y:.1f}a2 2 0 1 0 4 0a2 2 0 1 0-4 0"
        closed = "z" if line[0] == line[-1] else ""
        # An open line is drawn there and back: a fill would close it.
        back = "" if closed else "".join(f"L{a:.1f} {b:.1f}" for a, b in reversed(rest))
        return f"M{x:.1f} {y:.1f}" + "".join(f"L{a:.1f} {b:.1f}" for a, b in rest) + (closed or back)

    def _place(self, point: Point) -> Point:
        x, y = point
        return 4 + (x - self._west) * self._stretch * self._scale, 4 + (self._north - y) * self._scale
