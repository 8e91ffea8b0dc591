"""The values of an item's properties, and how two of them compare: as pgstac and most servers do it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ...core.json_text import encode_json
from ...core.model import JsonObject
from ..datetimes import item_span, parse_instant

Comparison = Callable[[Any, Any], bool]
Conversion = Callable[[Any], Any]
"""Makes comparable values of one type of others; None of those that are none."""
COMPARISONS: dict[str, Comparison] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DAY = timedelta(days=1) - timedelta(microseconds=1)
TIMES = frozenset({"datetime", "start_datetime", "end_datetime"})
"""Properties that are times of every item: of an item with a span its ends, else its one time."""


def property_name(name: str) -> str:
    """The name of a property without the member of the item that it is in."""
    return name.removeprefix("properties.")


def value_of(body: JsonObject, name: str) -> Any:
    """The value that an item has for a property; None for one that is missing. `a.b` is also b in a."""
    if name in ("id", "collection"):
        return body.get(name)
    properties = body.get("properties")
    if not isinstance(properties, dict):
        return None
    if name in TIMES:
        first, last = item_span(properties)
        return last if name == "end_datetime" else first
    return properties[name] if name in properties else _nested(properties, name)


def _nested(holder: JsonObject, path: str) -> Any:
    name, dot, rest = path.partition(".")
    while dot:
        inner = holder.get(name)
        if isinstance(inner, dict):
            return inner[rest] if rest in inner else _nested(inner, rest)
        more, dot, rest = rest.partition(".")
        name = f"{name}.{more}"
    return None


def as_number(value: Any) -> float | None:
    """A number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def as_text(value: Any) -> str | None:
    """A text as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return encode_json(value).decode()


def as_plain(value: Any) -> Any:
    """Numbers and texts are what they are: for values of which neither one is known beforehand."""
    return value


def as_time(value: Any) -> datetime | None:
    """An instant, or the text of one."""
    return value if isinstance(value, datetime) else parse_instant(value)


def day_of(text: str) -> tuple[datetime, datetime] | None:
    """The first and the last microsecond of the date that a text is."""
    try:
        start = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return start, start + DAY


def compare(name: str, left: Any, right: Any, convert: Conversion) -> bool | None:
    """One of `COMPARISONS`; None where a value is missing or is none of the type."""
    left, right = convert(left), convert(right)
    if left is None or right is None:
        return None
    if isinstance(left, bool) is not isinstance(right, bool) or (
        convert is as_plain and isinstance(left, str) is not isinstance(right, str)
    ):
        left, right = as_text(left), as_text(right)
    try:
        return bool(COMPARISONS[name](left, right))
    except TypeError:
        return None
