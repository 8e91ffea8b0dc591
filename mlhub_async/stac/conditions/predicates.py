"""The predicates of CQL2 on space, time and arrays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ...core.errors import UsageError
from ...core.model import JsonObject
from ...core.urls import term_safe
from .boxes import box_numbers, halves
from .geometry import Shape, footprint_of, is_over_antimeridian, shape_of, shape_of_boxes
from .values import as_text, as_time, day_of, property_name, value_of

Value = Callable[[JsonObject], Any]
SPATIAL = {
    "s_intersects": "intersects",
    "s_disjoint": "disjoint",
    "s_within": "within",
    "s_contains": "contains",
    "s_equals": "equals",
    "s_touches": "touches",
    "s_overlaps": "overlaps",
    "s_crosses": "crosses",
}
_SWAPPED = {"within": "contains", "contains": "within"}
_OF_CUT_SHAPES = frozenset({"intersects", "disjoint", "within", "contains"})
"""Predicates that mean the same for shapes that are cut: the others look at boundaries."""
Span = tuple[datetime, datetime]
EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
TEMPORAL: dict[str, Callable[[datetime, datetime, datetime, datetime], bool]] = {
    "t_after": lambda a, b, c, d: a > d,
    "t_before": lambda a, b, c, d: b < c,
    "t_contains": lambda a, b, c, d: a < c and b > d,
    "t_disjoint": lambda a, b, c, d: not (a <= d and b >= c),
    "t_during": lambda a, b, c, d: a > c and b < d,
    "t_equals": lambda a, b, c, d: a == c and b == d,
    "t_finishedby": lambda a, b, c, d: a < c and b == d,
    "t_finishes": lambda a, b, c, d: a > c and b == d,
    "t_intersects": lambda a, b, c, d: a <= d and b >= c,
    "t_meets": lambda a, b, c, d: b == c,
    "t_metby": lambda a, b, c, d: a == d,
    "t_overlappedby": lambda a, b, c, d: c < a < d < b,
    "t_overlaps": lambda a, b, c, d: a < c < b < d,
    "t_startedby": lambda a, b, c, d: a == c and b > d,
    "t_starts": lambda a, b, c, d: a == c and b < d,
}
"""Of two spans, from a to b and from c to d."""
ARRAYS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "a_equals": lambda one, other: one == other,
    "a_contains": lambda one, other: set(one) >= set(other),
    "a_containedby": lambda one, other: set(one) <= set(other),
    "a_overlaps": lambda one, other: bool(set(one) & set(other)),
}


def spatial_test(name: str, left: Any, right: Any) -> Value:
    """A predicate on an item's geometry and a shape. Raises `UsageError` for other arguments."""
    predicate, shape = SPATIAL[name], _literal_shape(right)
    if shape is None or not _is_geometry(left):
        predicate, shape = _SWAPPED.get(predicate, predicate), _literal_shape(left)
        if shape is None or not _is_geometry(right):
            raise UsageError(f"--filter: {name}() compares the property geometry with a shape here")
    if predicate not in _OF_CUT_SHAPES and (has_meridian(left) or has_meridian(right)):
        raise UsageError(f"--filter: {name}() with a shape over the antimeridian cannot be evaluated here")

    def meets(body: JsonObject) -> bool | None:
        own = footprint_of(body)
        return None if own is None else bool(getattr(own, predicate)(shape))

    return meets


def has_meridian(node: Any) -> bool:
    """Whether a part of an expression is a shape over the antimeridian, or a box with heights."""
    if not isinstance(node, dict):
        return False
    if (box := box_numbers(node.get("bbox"))) is not None:
        return len(node["bbox"]) == 6 or len(halves(box)) > 1
    return ("coordinates" in node or "geometries" in node) and is_over_antimeridian(node, None)


def _is_geometry(node: Any) -> bool:
    return isinstance(node, dict) and property_name(str(node.get("property"))) == "geometry"


def _literal_shape(node: Any) -> Shape | None:
    if isinstance(node, dict) and (box := box_numbers(node.get("bbox"))) is not None:
        return shape_of_boxes(halves(box))
    return shape_of(node)


def temporal_test(name: str, left: Any, right: Any) -> Value:
    """A predicate on two times or spans. Raises `UsageError` for arguments that are none."""
    relation, one, other = TEMPORAL[name], _span(left), _span(right)

    def meets(body: JsonObject) -> bool | None:
        a, b = one(body), other(body)
        return None if a is None or b is None else relation(*a, *b)

    return meets


def _span(node: Any) -> Callable[[JsonObject], Span | None]:
    if isinstance(node, dict) and isinstance(node.get("interval"), list) and len(node["interval"]) == 2:
        first, last = (_end(one, at) for at, one in enumerate(node["interval"]))
    else:
        first, last = _end(node, 0), _end(node, 1)

    def span(body: JsonObject) -> Span | None:
        start, end = first(body), last(body)
        return None if start is None or end is None else (start, end)

    return span


def _end(node: Any, at: int) -> Callable[[JsonObject], datetime | None]:
    """The first (`at` 0) or the last instant of a time, a date, or a property that is one."""
    if isinstance(node, dict) and isinstance(node.get("property"), str):
        name = property_name(node["property"])
        return lambda body: _moment(value_of(body, name), at)
    text = node if not isinstance(node, dict) else node.get("timestamp", node.get("date"))
    found = EVER[at] if text == ".." else _moment(text, at)
    if found is None:
        raise UsageError(f"--filter: {term_safe(str(node), 200)} is no time")
    return lambda _: found


def _moment(value: Any, at: int) -> datetime | None:
    day = day_of(value) if isinstance(value, str) else None
    return day[at] if day else as_time(value)


def array_test(name: str, left: Any, right: Any) -> Value:
    """A predicate on two arrays of texts or numbers. Raises `UsageError` for arguments that are none."""
    relation, one, other = ARRAYS[name], _array(left), _array(right)

    def meets(body: JsonObject) -> bool | None:
        a, b = one(body), other(body)
        return None if a is None or b is None else relation(a, b)

    return meets


def _array(node: Any) -> Callable[[JsonObject], list[str] | None]:
    if isinstance(node, dict) and isinstance(node.get("property"), str):
        name = property_name(node["property"])
        return lambda body: _texts(value_of(body, name))
    if not isinstance(node, list) or any(isinstance(one, dict | list) for one in node):
        raise UsageError(f"--filter: {term_safe(str(node), 200)} is no array of values")
    return lambda _: _texts(node)


def _texts(value: Any) -> list[str] | None:
    if value is None:
        return None
    return [as_text(one) or "" for one in (value if isinstance(value, list) else [value])]
