"""Listing and search requests: parsed from a query string or a JSON body, evaluated on the sample.

A request that makes no sense raises `ValueError` with a message for the client.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from ..core.json_text import dumps, loads
from ..core.model import JsonObject
from . import sample
from .sample import LABELS, Box, ItemKey, Sample, bounds

_LIST_PARAMETERS = ("ids", "collections", "bbox")
_PARAMETERS = {*_LIST_PARAMETERS, "datetime", "intersects", "limit", "token", "key"}
_DEFAULT_LIMIT, _MAX_LIMIT = 10, 1000

_MAX_COUNTED_CHIPS = 20_000
"""Counting what intersects a box means looking at every chip: of larger samples no total is given."""
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

Point = Sequence[float]
Line = Sequence[Point]
Shape = tuple[str, list[Line]]
"""One point, line or polygon: its GeoJSON type and its lines; the rings of a polygon, outer ring first."""


def from_query_string(query: Mapping[str, str]) -> JsonObject:
    """The parameters of a query string in the form of a POST body."""
    asked: JsonObject = {n: v.split(",") if n in _LIST_PARAMETERS and v else v for n, v in query.items()}
    if asked.get("intersects"):
        asked["intersects"] = loads(asked["intersects"])
    return asked


def to_query_string(asked: JsonObject) -> dict[str, str]:
    """The inverse of `from_query_string`."""
    flat = {name: ",".join(value) if name in _LIST_PARAMETERS else value for name, value in asked.items()}
    return {n: dumps(v).decode() if isinstance(v, dict) else str(v) for n, v in flat.items()}


def from_body(body: bytes) -> JsonObject:
    asked = loads(body)
    if not isinstance(asked, dict):
        raise ValueError("The body must be a JSON object.")
    return asked


def parse_query(asked: JsonObject) -> Query:
    unknown = sorted(asked.keys() - _PARAMETERS)
    if unknown:
        raise ValueError(f"Not supported by this API: {', '.join(unknown)}.")
    box = _parse_box(asked.get("bbox"))
    shapes = parse_shapes(asked["intersects"]) if asked.get("intersects") else ()
    if box and shapes:
        raise ValueError("bbox and intersects cannot be given together.")
    since, until = _parse_interval(asked.get("datetime"))
    names = _strings(asked, "collections")
    return Query(
        collections=tuple(names) if names else sample.COLLECTIONS,
        ids=tuple(_strings(asked, "ids")),
        box=box_of(shapes) if shapes else box,
        shapes=shapes,
        since=since,
        until=until,
    )


def parse_limit(asked: JsonObject) -> int:
    """Items per page; more than the maximum is reduced to it."""
    value = asked.get("limit")
    if value in (None, ""):
        return _DEFAULT_LIMIT
    number = int(value) if isinstance(value, int | str) else 0
    if number < 1:
        raise ValueError("limit must be a whole number from 1.")
    return min(number, _MAX_LIMIT)


def parse_token(asked: JsonObject, content: Sample) -> Cursor | None:
    """The cursor for a token `next:<item id>` or `prev:<item id>`; None without a token."""
    token = asked.get("token")
    if token in (None, ""):
        return None
    direction, _, item = str(token).partition(":")
    key = content.find(item)
    if key is None or direction not in ("next", "prev"):
        raise ValueError("Invalid token.")
    return Cursor(key, backwards=direction == "prev")


def _strings(asked: JsonObject, name: str) -> list[str]:
    value = asked.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of strings.")
    return value


def _parse_box(value: Any) -> Box | None:
    if not value:
        return None
    numbers = [float(number) for number in value] if isinstance(value, list) else []
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or numbers[1] > numbers[3]:
        raise ValueError("bbox must be west, south, east, north.")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _parse_interval(value: Any) -> tuple[datetime, datetime]:
    first, slash, last = str(value or "../..").partition("/")
    since = _parse_instant(first, EARLIEST)
    return since, _parse_instant(last, LATEST) if slash else since


def _parse_instant(text: str, default: datetime) -> datetime:
    if text in ("", ".."):
        return default
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. Empty means no restriction; `since` and `until` are inclusive."""

    collections: tuple[str, ...] = sample.COLLECTIONS
    ids: tuple[str, ...] = ()
    box: Box | None = None
    shapes: tuple[Shape, ...] = ()
    since: datetime = EARLIEST
    until: datetime = LATEST


@dataclass(frozen=True, slots=True)
class Cursor:
    """The item after which a page starts or, backwards, before which it ends."""

    key: ItemKey
    backwards: bool = False


def find_page(content: Sample, query: Query, cursor: Cursor | None, limit: int) -> tuple[list[ItemKey], bool]:
    """The items of one page in listing order, and whether there are more in the direction of the cursor."""
    found = list(itertools.islice(_items_from(content, query, cursor), limit + 1))
    more, found = len(found) > limit, found[:limit]
    return (found[::-1] if cursor and cursor.backwards else found), more


def count_matched(content: Sample, query: Query) -> int | None:
    """The number of items that match; None where counting them would take too long."""
    if query.ids:
        return len(_items_by_id(content, query))
    if query.box is None:
        return content.chips * sum(len(_dates(content, query, name)) for name in query.collections)
    return sum(1 for _ in _items_from(content, query, None)) if content.chips <= _MAX_COUNTED_CHIPS else None


def _items_from(content: Sample, query: Query, cursor: Cursor | None) -> Iterator[ItemKey]:
    backwards = cursor is not None and cursor.backwards
    if query.ids:
        keys = _items_by_id(content, query)
        beyond = [key for key in keys if cursor is None or _is_beyond(key, cursor)]
        return iter(beyond[::-1] if backwards else beyond)
    names = [name for name in sample.COLLECTIONS if name in query.collections]
    if cursor is not None:
        at = sample.COLLECTIONS.index(cursor.key.collection)
        rest = sample.COLLECTIONS[: at + 1] if backwards else sample.COLLECTIONS[at:]
        names = [name for name in names if name in rest]
    return itertools.chain.from_iterable(
        _items_of(content, query, name, cursor, backwards) for name in (names[::-1] if backwards else names)
    )


def _items_of(
    content: Sample, query: Query, name: str, cursor: Cursor | None, backwards: bool
) -> Iterator[ItemKey]:
    """The matching items of one collection after the cursor, or before it in descending order."""
    if cursor is not None and cursor.key.collection != name:
        cursor = None
    dates, last = _dates(content, query, name), content.chips - 1
    if backwards:
        numbers, dates = range(cursor.key.chip if cursor else last, -1, -1), dates[::-1]
    else:
        numbers = range(cursor.key.chip if cursor else 0, content.chips)
    for number in _chips(content, query, numbers):
        for date in dates:
            if cursor is None or _is_beyond(ItemKey(number, date), cursor):
                yield ItemKey(number, date)


def _dates(content: Sample, query: Query, name: str) -> range:
    """The date numbers of a collection within the interval; labels have the single number -1."""
    if name == LABELS:
        return range(-1, 0) if query.since <= sample.LABEL_DATETIME <= query.until else range(0)
    inside = [
        date for date in range(content.dates) if query.since <= content.datetime_of(date) <= query.until
    ]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def _items_by_id(content: Sample, query: Query) -> list[ItemKey]:
    found = {key for name in query.ids if (key := content.find(name)) is not None}
    return sorted((key for key in found if _matches(content, query, key)), key=_rank)


def _matches(content: Sample, query: Query, key: ItemKey) -> bool:
    name = key.collection
    if name not in query.collections or key.date not in _dates(content, query, name):
        return False
    return any(True for _ in _chips(content, query, range(key.chip, key.chip + 1)))


def _chips(content: Sample, query: Query, numbers: range) -> Iterator[int]:
    for number in content.chips_in(query.box, numbers):
        if not query.shapes or intersects(query.shapes, sample.chip_at(number).ring()):
            yield number


def _rank(key: ItemKey) -> tuple[bool, int, int]:
    """Listing order: all labels, then all source items."""
    return key.date >= 0, key.chip, key.date


def _is_beyond(key: ItemKey, cursor: Cursor) -> bool:
    ours, last = _rank(key), _rank(cursor.key)
    return ours < last if cursor.backwards else ours > last


_SINGLE_TYPES = {"Point", "LineString", "Polygon"}


def parse_shapes(geometry: Any) -> tuple[Shape, ...]:
    """The points, lines and polygons of a GeoJSON geometry."""
    try:
        found = tuple(_shapes(geometry))
        box_of(found)
    except (TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise ValueError("intersects must be a GeoJSON geometry.") from None
    return found


def _shapes(geometry: Any) -> Iterator[Shape]:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        for each in geometry["geometries"]:
            yield from _shapes(each)
        return
    single = kind.removeprefix("Multi")
    if single not in _SINGLE_TYPES:
        raise ValueError("intersects must be a GeoJSON geometry.")
    for coordinates in [geometry["coordinates"]] if kind == single else geometry["coordinates"]:
        yield single, {"Point": [[coordinates]], "LineString": [coordinates]}.get(single, coordinates)


def box_of(shapes: tuple[Shape, ...]) -> Box:
    points = [(float(point[0]), float(point[1])) for _, lines in shapes for line in lines for point in line]
    if not points:
        raise ValueError("intersects must have coordinates.")
    return bounds(points)


def intersects(shapes: tuple[Shape, ...], ring: Line) -> bool:
    """Whether any of the shapes shares a point with the area within the ring."""
    return any(_shape_intersects(kind, lines, ring) for kind, lines in shapes)


def _shape_intersects(kind: str, lines: list[Line], ring: Line) -> bool:
    if any(_is_within(point, [ring]) for line in lines for point in line):
        return True
    sides = [side for line in lines for side in pairwise(line)]
    if any(_segments_cross(*side, *edge) for side in sides for edge in pairwise(ring)):
        return True
    return kind == "Polygon" and _is_within(ring[0], lines)


def _is_within(point: Point, rings: list[Line]) -> bool:
    """Even-odd rule: a ray to the east crosses the outline an odd number of times."""
    x, y = point[0], point[1]
    inside = False
    for ring in rings:
        for a, b in pairwise(ring):
            if (a[1] > y) != (b[1] > y) and x < a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]):
                inside = not inside
    return inside


def _segments_cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the line from a to b and that from c to d share a point."""
    straddle = _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0
    return straddle and all(
        min(a[i], b[i]) <= max(c[i], d[i]) and min(c[i], d[i]) <= max(a[i], b[i]) for i in (0, 1)
    )


def _side(a: Point, b: Point, c: Point) -> float:
    """Positive if c is to the left of the line from a to b, negative to its right, 0 on it."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
