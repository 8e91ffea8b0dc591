"""Conditions of `--query` (the STAC query extension): decided here, and those that a server may decide."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ...core.errors import UsageError
from ...core.model import JsonObject
from ..datetimes import parse_instant

Comparison = Callable[[Any, Any], bool]
_Numbers = int | float

_BESIDE_PROPERTIES = frozenset({"id", "collection", "assets", "links", "stac_version", "stac_extensions"})
"""Members of an item that a name can begin with, where no property has that name."""


def matches_query(query: JsonObject) -> Callable[[JsonObject], bool]:
    """A test whether an item meets every condition. A missing or null property meets none.

    A name with dots is that of a property, or else a path into nested objects and lists.
    Raises `UsageError` for an operator that does not exist, and for a value that it cannot have.
    """
    conditions = [(name, _test(name, operation, operand)) for name, operation, operand in _terms(query)]

    def meets(body: JsonObject) -> bool:
        return all(_holds(test, _value(body, name)) for name, test in conditions)

    return meets


def query_for_server(query: JsonObject) -> JsonObject | None:
    """The conditions that mean the same on every server; None if there are none.

    Left out are nested names, `in`, `startsWith`, `endsWith` and `contains`, times, which servers compare as
    text, and the order of texts, which differs between databases.
    """
    asked: JsonObject = {}
    for name, operation, operand in _terms(query):
        if _means_the_same(name, operation, operand):
            asked.setdefault(name, {})[operation] = operand
    return asked or None


def _means_the_same(name: str, operation: str, operand: Any) -> bool:
    if "." in name or operation not in _ORDER | _EQUALITY:
        return False
    if isinstance(operand, str):
        return operation in _EQUALITY and parse_instant(operand) is None
    return _is_number(operand)


def _terms(query: JsonObject) -> Iterator[tuple[str, str, Any]]:
    """Name, operator and value of each condition; a value that is no object stands for `eq`."""
    for name, tests in query.items():
        given = tests if isinstance(tests, dict) else {"eq": tests}
        if not given:
            raise UsageError(f"--query {name}: there is no condition; write {{{name!r}: {{'eq': VALUE}}}}")
        for operation, operand in given.items():
            yield name.removeprefix("properties."), operation, operand


def _test(name: str, operation: str, operand: Any) -> Callable[[Any], bool]:
    compare = _COMPARISONS.get(operation)
    if compare is None:
        raise UsageError(f"--query {name}: no operator {operation!r}; there are {', '.join(_COMPARISONS)}")
    wrong = ""
    if operand is None:
        wrong = f"null matches nothing; for a property that is missing write --filter '\"{name}\" IS NULL'"
    elif operation == "in" and not isinstance(operand, list):
        wrong = f"'in' needs a list, such as [{operand!r}]"
    elif operation in ("startsWith", "endsWith") and not isinstance(operand, str):
        wrong = f"{operation!r} needs text, not {operand!r}"
    elif operation in _ORDER and not (isinstance(operand, str) or _is_number(operand)):
        wrong = f"{operation!r} needs a number, a text or a time, not {operand!r}"
    if wrong:
        raise UsageError(f"--query {name}: {wrong}")
    return partial(compare, operand)


def _holds(test: Callable[[Any], bool], value: Any) -> bool:
    """What cannot be compared does not hold."""
    if value is None:
        return False
    try:
        return test(value)
    except TypeError:
        return False


def _value(body: JsonObject, name: str) -> Any:
    """What a name stands for in an item; None for nothing."""
    properties = body.get("properties")
    if (found := _at(properties, name)) is not None:
        return found
    return _at(body, name) if name.partition(".")[0] in _BESIDE_PROPERTIES else None


def _at(holder: Any, name: str) -> Any:
    """A member by its name, or by a path of names and positions; names may have dots of their own."""
    if isinstance(holder, list):
        first, _, rest = name.partition(".")
        found = holder[int(first)] if first.isdecimal() and int(first) < len(holder) else None
        return _at(found, rest) if rest else found
    if not isinstance(holder, dict):
        return None
    if name in holder:
        return holder[name]
    end = name.rfind(".")
    while end > 0:
        if name[:end] in holder and (found := _at(holder[name[:end]], name[end + 1 :])) is not None:
            return found
        end = name.rfind(".", 0, end)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, _Numbers) and not isinstance(value, bool)


def _comparable(value: Any, operand: Any) -> tuple[Any, Any]:
    """Both as instants where both are times, in whatever zone they are written. Raises `TypeError` for a
    number and a boolean, which Python would compare."""
    if isinstance(value, bool) is not isinstance(operand, bool):
        raise TypeError
    moments = parse_instant(value), parse_instant(operand)
    return (moments[0], moments[1]) if moments[0] and moments[1] else (value, operand)


def _ordered(compare: Comparison) -> Comparison:
    return lambda operand, value: compare(*_comparable(value, operand))


def _equal(operand: Any, value: Any) -> bool:
    if isinstance(value, bool) is not isinstance(operand, bool):
        return False
    return bool(operator.eq(*_comparable(value, operand)))


def _text(value: Any) -> str:
    """A text, or a number as text. Raises `TypeError` for anything else."""
    if isinstance(value, str):
        return value
    if _is_number(value):
        return str(value)
    raise TypeError


def _contains(operand: Any, value: Any) -> bool:
    """A list that has the value, or a text with that part."""
    if isinstance(value, list):
        return any(_equal(operand, one) for one in value)
    return _text(operand) in _text(value)


_ORDER = frozenset({"lt", "lte", "gt", "gte"})
_EQUALITY = frozenset({"eq", "neq"})
_COMPARISONS: dict[str, Comparison] = {
    "eq": _equal,
    "neq": lambda operand, value: not _equal(operand, value),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "startsWith": lambda operand, value: _text(value).startswith(operand),
    "endsWith": lambda operand, value: _text(value).endswith(operand),
    "contains": _contains,
    "in": lambda operand, value: any(_equal(one, value) for one in operand),
}
"""By operator; each takes the value of the condition, then that of the item."""
