"""Pairs of GeoJSON geometries, of which data/intersections.json says whether they intersect in PostGIS."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from support.selections import rectangle

Json = dict[str, Any]
RECORDED = Path(__file__).with_name("data") / "intersections.json"
COUNT = 200


def shape_pairs() -> list[tuple[Json, Json]]:
    """The same pairs each time, on a grid, so that edges and corners often touch."""
    chance = random.Random(8)
    return [(_shape(number % 10, chance), _shape(number // 10 % 9, chance)) for number in range(COUNT)]


def _shape(kind: int, chance: random.Random) -> Json:
    west, south = chance.randint(-6, 6), chance.randint(-6, 6)
    east, north = west + chance.randint(1, 6), south + chance.randint(1, 6)
    box = rectangle(west, south, east, north)
    if kind == 0:
        return {"type": "Point", "coordinates": [west, south]}
    if kind == 1:
        return {"type": "MultiPoint", "coordinates": [[west, south], [east, north]]}
    if kind == 2:
        return {"type": "LineString", "coordinates": [[west, south], [east, north], [east + 2, south]]}
    if kind == 3:
        return {
            "type": "MultiLineString",
            "coordinates": [[[west, south], [west, north]], [[0, 0], [east, 0]]],
        }
    if kind == 4:
        outer = rectangle(west - 3, south - 3, east + 3, north + 3)["coordinates"][0]
        return {"type": "Polygon", "coordinates": [outer, box["coordinates"][0][::-1]]}
    if kind == 5:
        other = rectangle(east + 1, south, east + 3, north)
        return {"type": "MultiPolygon", "coordinates": [box["coordinates"], other["coordinates"]]}
    if kind == 6:
        line = {"type": "LineString", "coordinates": [[west, south], [-west, -south - 1]]}
        return {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [0, 0]}, line]}
    if kind == 7:
        return {
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [west, north], [west, south]]],
        }
    return box


def turned(shape: Json, degrees: float = 180) -> Json:
    """The shape moved to the east; its longitudes may then be beyond 180."""
    if "geometries" in shape:
        return {**shape, "geometries": [turned(one, degrees) for one in shape["geometries"]]}
    return {**shape, "coordinates": _moved(shape["coordinates"], degrees)}


def _moved(coordinates: Any, degrees: float) -> Any:
    if isinstance(coordinates[0], list):
        return [_moved(one, degrees) for one in coordinates]
    return [coordinates[0] + degrees, coordinates[1]]


def recorded() -> list[bool]:
    """What ST_Intersects says of each pair."""
    found: list[bool] = json.loads(RECORDED.read_text())
    return found
