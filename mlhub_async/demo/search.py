"""What a listing request asks for, read from a query string or a JSON body. Nonsense is a `ValueError`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson

from ..core.model import JsonObject
from . import sample
from .sample import LABELS, Box, Place, Sample, bounds

_LISTS = ("ids", "collections", "bbox")
_KNOWN = {*_LISTS, "datetime", "intersects", "limit", "token", "key"}
_DEFAULT, _MOST = 10, 1000

# Counting what meets a box means looking at every chip: past this many, no total is told.
_COUNTED = 20_000
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

Point = Sequence[float]
Line = Sequence[Point]
Part = tuple[str, list[Line]]


def of_query(query: Mapping[str, str]) -> JsonObject:
    """A query string in the shape of a POST body."""
    asked: JsonObject = {n: v.split(",") if n in _LISTS and v else v for n, v in query.items()}
    if asked.get("intersects"):
        asked["intersects"] = orjson.loads(asked["intersects"])
    return asked


def to_query(asked: JsonObject) -> dict[str, str]:
    """The inverse of `of_query`."""
    flat = {name: ",".join(value) if name in _LISTS else value for name, value in asked.items()}
    return {n: orjson.dumps(v).decode() if isinstance(v, dict) else str(v) for n, v in flat.items()}


def of_body(body: bytes) -> JsonObject:
    asked = orjson.loads(body)
    if not isinstance(asked, dict):
        raise ValueError("The body must be a JSON object.")
    return asked


def query(asked: JsonObject) -> Query:
    unknown = sorted(asked.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"Not supported by this API: {', '.join(unknown)}.")
    box, shape = _box(asked.get("bbox")), parts(asked["intersects"]) if asked.get("intersects") else ()
    if box and shape:
        raise ValueError("bbox and intersects cannot be asked for together.")
    since, until = _interval(asked.get("datetime"))
    names = _strings(asked, "collections")
    return Query(
        collections=tuple(names) if names else sample.COLLECTIONS,
        ids=tuple(_strings(asked, "ids")),
        box=box_of(shape) if shape else box,
        shape=shape,
        since=since,
        until=until,
    )


def limit(asked: JsonObject) -> int:
    value = asked.get("limit")
    if value in (None, ""):
        return _DEFAULT
    number = int(value) if isinstance(value, int | str) else 0
    if number < 1:
        raise ValueError("limit must be a whole number from 1.")
    return min(number, _MOST)


def turn(asked: JsonObject, content: Sample) -> Turn | None:
    """The place that a token `next:<item id>` or `prev:<item id>` stands for."""
    token = asked.get("token")
    if token in (None, ""):
        return None
    way, _, item = str(token).partition(":")
    place = content.find(item)
    if place is None or way not in ("next", "prev"):
        raise ValueError("Invalid token.")
    return Turn(place, back=way == "prev")


def _strings(asked: JsonObject, name: str) -> list[str]:
    value = asked.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of strings.")
    return value


def _box(value: Any) -> Box | None:
    if not value:
        return None
    numbers = [float(number) for number in value] if isinstance(value, list) else []
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or numbers[1] > numbers[3]:
        raise ValueError("bbox must be west, south, east, north.")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _interval(value: Any) -> tuple[datetime, datetime]:
    first, slash, last = str(value or "../..").partition("/")
    since = _moment(first, EARLIEST)
    return since, _moment(last, LATEST) if slash else since


def _moment(text: str, default: datetime) -> datetime:
    if text in ("", ".."):
        return default
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. Empty: no restriction; `since` and `until` are inclusive."""

    collections: tuple[str, ...] = sample.COLLECTIONS
    ids: tuple[str, ...] = ()
    box: Box | None = None
    shape: tuple[Part, ...] = ()
    since: datetime = EARLIEST
    until: datetime = LATEST


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a page begins: behind (or, going back, before) this place."""

    place: Place
    back: bool = False


def page(content: Sample, query: Query, turn: Turn | None, limit: int) -> tuple[list[Place], bool]:
    """The places of one page in listing order, and whether more follow in the direction of the turn."""
    found = list(itertools.islice(_from(content, query, turn), limit + 1))
    more, found = len(found) > limit, found[:limit]
    return (found[::-1] if turn and turn.back else found), more


def matched(content: Sample, query: Query) -> int | None:
    """How many items match in all, where that can be told cheaply."""
    if query.ids:
        return len(_named(content, query))
    if query.box is None:
        return content.chips * sum(len(_dates(content, query, name)) for name in query.collections)
    return sum(1 for _ in _from(content, query, None)) if content.chips <= _COUNTED else None


def _from(content: Sample, query: Query, turn: Turn | None) -> Iterator[Place]:
    back = turn is not None and turn.back
    if query.ids:
        places = _named(content, query)
        beyond = [p for p in places if turn is None or _is_beyond(p, turn)]
        return iter(beyond[::-1] if back else beyond)
    names = [name for name in sample.COLLECTIONS if name in query.collections]
    if turn is not None:
        at = sample.COLLECTIONS.index(turn.place.collection)
        rest = sample.COLLECTIONS[: at + 1] if back else sample.COLLECTIONS[at:]
        names = [name for name in names if name in rest]
    return itertools.chain.from_iterable(
        _walk(content, query, name, turn if turn and turn.place.collection == name else None, back)
        for name in (names[::-1] if back else names)
    )


def _walk(content: Sample, query: Query, name: str, turn: Turn | None, back: bool) -> Iterator[Place]:
    """The matching places of one collection behind the turn, or before it and backwards."""
    dates, last = _dates(content, query, name), content.chips - 1
    if back:
        numbers, dates = range(turn.place.chip if turn else last, -1, -1), dates[::-1]
    else:
        numbers = range(turn.place.chip if turn else 0, content.chips)
    for number in _chips(content, query, numbers):
        for date in dates:
            if turn is None or _is_beyond(Place(number, date), turn):
                yield Place(number, date)


def _dates(content: Sample, query: Query, name: str) -> range:
    """The date numbers of a collection within the time asked for; labels have the single number -1."""
    if name == LABELS:
        return range(-1, 0) if query.since <= sample.LABELLED <= query.until else range(0)
    inside = [date for date in range(content.dates) if query.since <= content.moment(date) <= query.until]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def _named(content: Sample, query: Query) -> list[Place]:
    found = {place for name in query.ids if (place := content.find(name)) is not None}
    return sorted((p for p in found if _admitted(content, query, p)), key=_rank)


def _admitted(content: Sample, query: Query, place: Place) -> bool:
    if place.collection not in query.collections or place.date not in _dates(
        content, query, place.collection
    ):
        return False
    return any(True for _ in _chips(content, query, range(place.chip, place.chip + 1)))


def _chips(content: Sample, query: Query, numbers: range) -> Iterator[int]:
    for number in content.chips_in(query.box, numbers):
        if not query.shape or meets(query.shape, sample.chip(number).ring()):
            yield number


def _rank(place: Place) -> tuple[bool, int, int]:
    return place.date >= 0, place.chip, place.date


def _is_beyond(place: Place, turn: Turn) -> bool:
    return _rank(place) < _rank(turn.place) if turn.back else _rank(place) > _rank(turn.place)


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
