"""Hides the query extension's operators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..core.errors import UsageError
from ..core.model import JsonObject
from .datetimes import instant

Test = Callable[[Any, Any], bool]

_OPERATORS: dict[str, Test] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "startsWith": lambda value, part: str(value).startswith(str(part)),
    "endsWith": lambda value, part: str(value).endswith(str(part)),
    "contains": lambda value, part: part in value if isinstance(value, list) else str(part) in str(value),
    "in": lambda value, several: value in several,
}


def matches(query: JsonObject) -> Callable[[JsonObject], bool]:
    """Whether an item's properties meet every condition. A property that is missing meets none.

    Raises `UsageError` for an operator that does not exist.
    """
    conditions = [
        (name.removeprefix("properties."), _operator(name, word), operand)
        for name, tests in query.items()
        for word, operand in (tests if isinstance(tests, dict) else {"eq": tests}).items()
    ]

    def meets(body: JsonObject) -> bool:
        return all(_holds(test, _value(body, name), operand) for name, test, operand in conditions)

    return meets


def _operator(name: str, word: str) -> Test:
    test = _OPERATORS.get(word)
    if test is None:
        raise UsageError(f"--query {name}: no operator {word!r}; there are {', '.join(_OPERATORS)}")
    return test


def _value(body: JsonObject, name: str) -> Any:
    properties = body.get("properties")
    if isinstance(properties, dict) and name in properties:
        return properties[name]
    return body.get(name) if name in ("id", "collection") else None


def _holds(test: Test, value: Any, operand: Any) -> bool:
    """Times are compared as times, however each side writes its zone; what cannot be compared is false."""
    if value is None:
        return False
    moments = instant(value), instant(operand)
    if moments[0] and moments[1]:
        value, operand = moments
    try:
        return bool(test(value, operand))
    except TypeError:
        return False
