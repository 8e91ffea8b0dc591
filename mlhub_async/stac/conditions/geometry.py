"""Whether an item's footprint meets a box or a GeoJSON geometry: plane geometry, as PostGIS has it.

A geometry over the antimeridian is cut there first. shapely is imported when the first test is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from ...core.errors import UsageError
from ...core.json_text import parse_json
from ...core.model import JsonObject
from .boxes import Box, Flat, box_numbers, halves

Test = Callable[[JsonObject], bool]
"""Whether the body of an item meets a condition."""
Shape = Any
"""A geometry of shapely."""
_UNUSABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError)
WORLD = 360.0
MAX_LATITUDE = 1000
"""No latitude of a document is cut off: what is no latitude meets no box."""


@cache
def _shapely() -> Any:
    import shapely  # type: ignore[import-untyped]
    import shapely.affinity  # type: ignore[import-untyped]

    return shapely


def touches_box(wanted: Box) -> Test:
    """A test whether an item's footprint meets the box, and its heights where it has some."""
    meets = _meets(shape_of_boxes(wanted.parts))
    if (heights := wanted.heights) is None:
        return meets
    low, high = heights

    def touches(body: JsonObject) -> bool:
        own = _heights_of(body)
        return meets(body) and (own is None or (own[0] <= high and low <= own[1]))

    return touches


def meets_geometry(wanted: JsonObject) -> Test:
    """A test whether an item's footprint meets a GeoJSON geometry. Raises `UsageError` for what is none."""
    return _meets(_asked(wanted))


def cut_geometry(wanted: JsonObject) -> JsonObject:
    """A GeoJSON geometry as a server is asked for it: cut at the antimeridian if it lies over that.

    Raises `UsageError` for an unusable one.
    """
    whole = _asked(wanted)
    if not is_over_antimeridian(wanted, None):
        return wanted
    return json_of(whole)


def json_of(shape: Shape) -> JsonObject:
    """A shape as GeoJSON."""
    found = parse_json(_shapely().to_geojson(shape).encode())
    return found if isinstance(found, dict) else {}


def shape_of(geometry: Any, bbox: Any = None) -> Shape | None:
    """The shape of a GeoJSON geometry, cut at the antimeridian; None for what is none, or empty.

    `bbox` is that of its item: it says which way round the world a long edge goes.
    """
    if not isinstance(geometry, dict):
        return None
    try:
        found = _shapely().geometry.shape(geometry)
        if found.is_empty:
            return None
        west, _, east, _ = found.bounds
        if (west >= -180 and east <= 180 and east - west <= 180) or not is_over_antimeridian(geometry, bbox):
            return found
        return _cut(_shapely().geometry.shape(_unwrapped(geometry)))
    except (*_UNUSABLE, _shapely().errors.ShapelyError):
        return None


def _asked(wanted: JsonObject) -> Shape:
    found = shape_of(wanted)
    if found is None:
        raise UsageError("--intersects is not a GeoJSON geometry with coordinates")
    return found


def footprint_of(body: JsonObject) -> Shape | None:
    """The footprint of an item: its geometry; its bbox where the geometry is missing or cannot be used.

    None for an item whose geometry is null: it lies nowhere, and no search in space selects it.
    """
    geometry, box = body.get("geometry"), box_numbers(body.get("bbox"))
    if geometry is None and "geometry" in body:
        return None
    if (found := shape_of(geometry, body.get("bbox"))) is not None:
        return found
    return None if box is None else shape_of_boxes(halves(box))


def _meets(wanted: Shape) -> Test:
    shapely = _shapely()
    shapely.prepare(wanted)

    def meets(body: JsonObject) -> bool:
        own = footprint_of(body)
        return own is not None and bool(shapely.intersects(wanted, own))

    return meets


def shape_of_boxes(boxes: Sequence[Flat]) -> Shape:
    """The shape of the boxes beside the antimeridian, or of one."""
    parts = [_shapely().box(*one) for one in boxes]
    return parts[0] if len(parts) == 1 else _shapely().geometry.MultiPolygon(parts)


def _heights_of(body: JsonObject) -> tuple[float, float] | None:
    """The lowest and the highest height of an item's geometry, else of its bbox, if it has any."""
    found = [point[2] for path in _paths(body.get("geometry")) for point in path if len(point) > 2]
    box = body.get("bbox")
    if not found and isinstance(box, list) and len(box) == 6 and box_numbers(box) is not None:
        found = [box[2], box[5]]
    return (min(found), max(found)) if found else None


def is_over_antimeridian(geometry: JsonObject, bbox: Any) -> bool:
    """Whether a geometry has to be cut at the antimeridian.

    So it is if it has longitudes beyond 180 degrees, or an edge longer than half the world which is meant to
    go the short way. That is what the bbox of its item says, west > east. Without a bbox, a ring with such an
    edge goes the long way if it is counterclockwise as it stands (RFC 7946 section 3.1.6), and a line the
    short way. An edge from one side of the antimeridian to the other is as long as the world.
    """
    box = box_numbers(bbox)
    is_ring = "Polygon" in str(geometry.get("type")) or "geometries" in geometry
    for path in _paths(geometry):
        if any(abs(point[0]) > WORLD / 2 for point in path):
            return True
        if any(_is_long(a, b) for a, b in pairwise(path)):
            ring = is_ring and path[0] == path[-1]
            if box[0] > box[2] if box is not None else not (ring and _area(path) > 0):
                return True
    return False


def _area(ring: list[list[float]]) -> float:
    """Twice the signed area: above 0 if the ring is counterclockwise."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))


def _unwrapped(geometry: JsonObject) -> JsonObject:
    """The geometry with no edge longer than half the world: its longitudes may be beyond 180 degrees."""
    members, coordinates = geometry.get("geometries"), geometry.get("coordinates")
    if isinstance(members, list):
        return {**geometry, "geometries": [_unwrapped(one) for one in members]}
    kind = geometry.get("type")
    if kind == "LineString":
        coordinates = _turned([coordinates])[0]
    elif kind == "Polygon":
        coordinates = _turned(coordinates)
    elif kind == "MultiLineString" and isinstance(coordinates, list):
        coordinates = [_turned([line])[0] for line in coordinates]
    elif kind == "MultiPolygon" and isinstance(coordinates, list):
        coordinates = [_turned(polygon) for polygon in coordinates]
    return {**geometry, "coordinates": coordinates}


def _turned(lines: Any) -> Any:
    """Lines that belong together, those in the west moved to the east of the others if an edge is long."""
    if not any(_is_long(a, b) for line in lines for a, b in pairwise(line)):
        return lines
    return [[[one[0] + (WORLD if one[0] < 0 else 0), *one[1:]] for one in line] for line in lines]


def _is_long(a: list[float], b: list[float]) -> bool:
    """Whether an edge is longer than half the world, and shorter than all of it."""
    return WORLD / 2 < abs(b[0] - a[0]) < WORLD


def _cut(whole: Shape) -> Shape:
    """The parts of a shape in each turn of the world, moved to between -180 and 180 degrees."""
    shapely = _shapely()
    if not shapely.is_valid(whole):
        whole = shapely.make_valid(whole)
    parts: list[Shape] = []
    for turn in (-1, 0, 1):
        west, east = turn * WORLD - 180, turn * WORLD + 180
        inside = shapely.intersection(whole, shapely.box(west, -MAX_LATITUDE, east, MAX_LATITUDE))
        if not inside.is_empty:
            parts += _leaves(shapely.affinity.translate(inside, -turn * WORLD))
    kinds = {one.geom_type for one in parts}
    kind = f"Multi{kinds.pop()}" if len(kinds) == 1 else "GeometryCollection"
    return getattr(shapely.geometry, kind)(parts) if len(parts) > 1 else parts[0]


def _leaves(shape: Shape) -> Iterator[Shape]:
    members = getattr(shape, "geoms", None)
    if members is None:
        yield shape
    for one in members or ():
        yield from _leaves(one)


def _paths(geometry: Any) -> Iterator[list[list[float]]]:
    """Every line, ring or single point of a geometry as a list of positions."""
    if not isinstance(geometry, dict):
        return
    members = geometry.get("geometries")
    if isinstance(members, list):
        for member in members:
            yield from _paths(member)
    else:
        yield from _lists(geometry.get("coordinates"))


def _lists(coordinates: Any, depth: int = 0) -> Iterator[list[list[float]]]:
    if not isinstance(coordinates, list) or depth > 4:
        return
    if _is_point(coordinates):
        yield [coordinates]
    elif coordinates and all(map(_is_point, coordinates)):
        yield coordinates
    else:
        for one in coordinates:
            yield from _lists(one, depth + 1)


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(n, int | float) for n in value)
