"""CQL2 (OGC 21-065): an expression becomes a test of items, or an error that names what cannot be decided.

Text is read by the package `cql2`, which is imported when the first one is. What values mean is as in pgstac.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from collections.abc import Collection as Some
from typing import Any

from ...core.errors import UsageError
from ...core.model import JsonObject
from ...core.urls import term_safe
from .predicates import ARRAYS, SPATIAL, TEMPORAL, array_test, has_meridian, spatial_test, temporal_test
from .values import (
    COMPARISONS,
    TIMES,
    Conversion,
    as_number,
    as_plain,
    as_text,
    as_time,
    compare,
    day_of,
    property_name,
    value_of,
)

Value = Callable[[JsonObject], Any]
"""What an expression amounts to for the body of an item; None for the NULL of SQL."""
MAX_DEPTH = 100
MAX_PARENTHESES = 16
"""In each other, in text."""
_parenthesis = re.compile(r"'[^']*'|\"[^\"]*\"|[()]").findall
SPELLINGS = {
    "eq": "=", "==": "=", "neq": "<>", "ne": "<>", "!=": "<>", "lt": "<", "lte": "<=", "le": "<=",
    "gt": ">", "gte": ">=", "ge": ">=", "intersects": "s_intersects", "anyinteracts": "t_intersects",
    "a_contained_by": "a_containedby",
}  # fmt: skip
"""Older names of operators."""
TEXTS: dict[str, Callable[[str], str]] = {
    "casei": str.casefold,
    "upper": str.upper,
    "lower": str.lower,
    "accenti": lambda text: "".join(
        one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one)
    ),
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "div": lambda a, b: float(int(a / b)),
    "%": lambda a, b: a - b * int(a / b),
    "^": lambda a, b: a**b,
}


def cql2_test(expression: Any) -> Callable[[JsonObject], bool]:
    """A test whether an item meets a CQL2 expression, given as text or as JSON. Only `true` selects.

    Raises `UsageError` for what is no CQL2, and for what cannot be decided here.
    """
    meets = _predicate(parsed(expression), 0)
    return lambda body: meets(body) is True


def is_misread(expression: Any) -> bool:
    """Whether servers misread an expression: it has a shape over the antimeridian, a box, or a date.

    pgstac 0.10.0 fails at boxes, and finds nothing that is before or after a date.
    """
    try:
        return any(
            has_meridian(one) or (isinstance(one, dict) and ("bbox" in one or "date" in one))
            for one in _nodes(parsed(expression), 0)
        )
    except UsageError:
        return False


def parsed(expression: Any) -> Any:
    """The expression as JSON. Raises `UsageError` for text that is no CQL2."""
    if not isinstance(expression, str):
        return expression
    import cql2

    _check_parentheses(expression)
    try:
        return cql2.parse_text(expression).to_json()
    except (cql2.ParseError, ValueError) as error:
        raise UsageError(f"--filter is not CQL2:\n{error}") from error


def _check_parentheses(text: str) -> None:
    """Before a mistake inside of parentheses the parser takes twice as long for each pair around it."""
    depth = 0
    for one in _parenthesis(text):
        depth += (one == "(") - (one == ")")
        if depth > MAX_PARENTHESES:
            raise UsageError(
                f"--filter has more than {MAX_PARENTHESES} parentheses in each other: write it as JSON"
            )


def _nodes(node: Any, depth: int) -> Iterator[Any]:
    if depth > MAX_DEPTH:
        raise UsageError(f"--filter is nested more than {MAX_DEPTH} levels deep")
    yield node
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(one, depth + 1)


def _predicate(node: Any, depth: int) -> Value:
    """The test of an expression that is true, false or unknown."""
    if depth > MAX_DEPTH:
        raise UsageError(f"--filter is nested more than {MAX_DEPTH} levels deep")
    if isinstance(node, bool):
        return lambda _: node
    if isinstance(node, dict) and isinstance(node.get("property"), str):
        read = _value(node, depth)
        return lambda body: read(body) if isinstance(read(body), bool) else None
    name, args = _operation(node)
    for known, count, build in _builders():
        if name in known:
            given = args if count is None else _exactly(node, args, count)
            return build(name, given, depth + 1)
    raise _undecided(node)


Builder = Callable[[str, list[Any], int], Value]
"""Makes a test of an operator and its arguments; the number is their depth."""


def _builders() -> Iterator[tuple[Some[str], int | None, Builder]]:
    """The operators that are true, false or unknown, with the number of their arguments; None for any."""
    yield (
        ("and", "or"),
        None,
        lambda name, args, depth: _joined(name == "or", [_predicate(one, depth) for one in args]),
    )
    yield ("not",), 1, lambda _, args, depth: _negated(_predicate(args[0], depth))
    yield COMPARISONS, 2, lambda name, args, depth: _compared(name, args[0], args[1], depth)
    yield ("between",), 3, _between
    yield ("in",), 2, _in
    yield ("isnull",), 1, _is_null
    yield ("like", "ilike"), 2, _like
    yield SPATIAL, 2, lambda name, args, _: spatial_test(name, *args)
    yield TEMPORAL, 2, lambda name, args, _: temporal_test(name, *args)
    yield ARRAYS, 2, lambda name, args, _: array_test(name, *args)


def _between(_: str, args: list[Any], depth: int) -> Value:
    value, low, high = args
    return _joined(False, [_compared(">=", value, low, depth), _compared("<=", value, high, depth)])


def _in(_: str, args: list[Any], depth: int) -> Value:
    value, listed = args
    if not isinstance(listed, list):
        raise _undecided({"op": "in"}, "takes a value and a list")
    return _joined(True, [_compared("=", value, one, depth) for one in listed])


def _is_null(_: str, args: list[Any], depth: int) -> Value:
    read = _value(args[0], depth)
    return lambda body: read(body) is None


def _operation(node: Any) -> tuple[str, list[Any]]:
    name, args = (node.get("op"), node.get("args")) if isinstance(node, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(args, list):
        raise _undecided(node)
    return SPELLINGS.get(name.lower(), name.lower()), args


def _exactly(node: Any, args: list[Any], count: int) -> list[Any]:
    if len(args) != count:
        raise _undecided(node, f"takes {count} arguments")
    return args


def _joined(ends_at: bool, tests: list[Value]) -> Value:
    """`and` (ends at False) or `or` (ends at True), with SQL's third value."""

    def meets(body: JsonObject) -> bool | None:
        found: bool | None = not ends_at
        for test in tests:
            one: bool | None = test(body)
            if one is ends_at:
                return ends_at
            found = None if one is None else found
        return found

    return meets


def _negated(test: Value) -> Value:
    def meets(body: JsonObject) -> bool | None:
        found = test(body)
        return None if found is None else not found

    return meets


def _compared(name: str, left: Any, right: Any, depth: int) -> Value:
    for one, other, swapped in ((left, right, name), (right, left, _mirrored(name))):
        if isinstance(other, dict) and isinstance(other.get("date"), str):
            return _compared_to_day(swapped, _value(one, depth + 1), other)
    convert = _conversion(left, right)
    reads = [_value(left, depth + 1), _value(right, depth + 1)]
    for node, read in zip((left, right), reads, strict=True):
        if not isinstance(node, dict) and convert is as_time and convert(read({})) is None:
            raise _undecided(node, "is no time")
    one, other = reads
    return lambda body: compare(name, one(body), other(body), convert)


def _compared_to_day(name: str, read: Value, node: JsonObject) -> Value:
    """A comparison with a date: that is all of its day, in UTC."""
    if (day := day_of(node["date"])) is None:
        raise _undecided(node, "is no date")
    first, last = day

    def meets(body: JsonObject) -> bool | None:
        if (moment := as_time(read(body))) is None:
            return None
        place = (moment > last) - (moment < first)
        return bool(COMPARISONS[name](place, 0))

    return meets


def _mirrored(name: str) -> str:
    return {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(name, name)


def _conversion(*nodes: Any) -> Conversion:
    """The type that the arguments are compared in: times, numbers, or what they are."""
    if any(_is_time(one) for one in nodes):
        return as_time
    if any(_is_number(one) for one in nodes):
        return as_number
    return as_plain if all(isinstance(one, dict) and "property" in one for one in nodes) else as_text


def _is_time(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    return "timestamp" in node or property_name(str(node.get("property", ""))) in TIMES


def _is_number(node: Any) -> bool:
    if isinstance(node, int | float):
        return not isinstance(node, bool)
    return isinstance(node, dict) and str(node.get("op", "")).lower() in ARITHMETIC


def _value(node: Any, depth: int) -> Value:
    """What an argument of a comparison amounts to."""
    if depth > MAX_DEPTH:
        raise UsageError(f"--filter is nested more than {MAX_DEPTH} levels deep")
    if node is None or isinstance(node, str | int | float):
        return lambda _: node
    if isinstance(node, dict) and isinstance(node.get("property"), str):
        return _property(node["property"])
    if isinstance(node, dict) and isinstance(node.get("timestamp"), str):
        if (moment := as_time(node["timestamp"])) is None:
            raise _undecided(node, "is no time")
        return lambda _: moment
    name, args = _operation(node)
    if name in TEXTS:
        return _text(name, _value(_exactly(node, args, 1)[0], depth + 1))
    if name in ARITHMETIC:
        left, right = (_value(one, depth + 1) for one in _exactly(node, args, 2))
        return _calculated(ARITHMETIC[name], left, right)
    return _predicate(node, depth + 1)


def _property(name: str) -> Value:
    name = property_name(name)
    if not name.strip() or name == "properties":
        raise UsageError("--filter: a property has no name")
    if name == "geometry":
        return lambda body: body.get("geometry")
    return lambda body: value_of(body, name)


def _text(name: str, read: Value) -> Value:
    change = TEXTS[name]

    def value(body: JsonObject) -> str | None:
        found = as_text(read(body))
        return None if found is None else change(found)

    return value


def _calculated(calculate: Callable[[float, float], float], left: Value, right: Value) -> Value:
    def value(body: JsonObject) -> float | None:
        a, b = as_number(left(body)), as_number(right(body))
        if a is None or b is None:
            return None
        try:
            found = calculate(a, b)
        except (ArithmeticError, ValueError):
            return None
        return found if isinstance(found, float) else None

    return value


def _like(name: str, args: list[Any], depth: int) -> Value:
    read, expected = _value(args[0], depth), _value(args[1], depth)({})
    if not isinstance(expected, str):
        raise _undecided(args[1], "is no pattern of text")
    compiled = re.compile(_as_regular(expected), re.DOTALL | (re.IGNORECASE if name == "ilike" else 0))

    def meets(body: JsonObject) -> bool | None:
        found = as_text(read(body))
        return None if found is None else compiled.fullmatch(found) is not None

    return meets


def _as_regular(pattern: str) -> str:
    """A pattern of LIKE: % is any text, _ any character, \\ takes the next one as it is."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    meanings = {"%": ".*", "_": "."}
    return "".join(meanings.get(one) or re.escape(one[-1]) for one in parts)


def _undecided(node: Any, why: str = "cannot be evaluated here") -> UsageError:
    shown = f"{node['op']}()" if isinstance(node, dict) and "op" in node else str(node)
    return UsageError(f"--filter: {term_safe(shown, 200)} {why}")
