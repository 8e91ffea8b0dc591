"""Turns the values of a Parquet column, also those within structs and lists, into values of JSON."""

from __future__ import annotations

import base64
import importlib
import math
import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

Write = Callable[[Any], Any]
_DAY_SECONDS, _DAY_MILLISECONDS = 86_400, 86_400_000
_YEAR_2000, _DAYS_TO_2000 = date(2000, 1, 1), 10_957
_CYCLE_DAYS = 146_097
"""Those of 400 years, after which the calendar repeats."""
_controls = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]").search
"""What is in binary values and in no text; well-known binary begins with one."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class ValueWriter:
    """`arrow` is the module pyarrow, `compute` its module of that name."""

    def __init__(self, arrow: Any, compute: Any) -> None:
        self._arrow = arrow
        self._types = arrow.types
        self._length = compute.list_value_length

    def values(self, column: Any) -> list[Any]:
        """The values of a column; None where it has none. Nulls in structs are left out.

        Raises what pyarrow raises, and `ValueError` for a struct with two fields of a name.
        """
        types, kind = self._types, column.type
        if isinstance(kind, self._arrow.BaseExtensionType):
            is_uuid = kind.extension_name == "arrow.uuid"
            return _written(column.to_pylist(), str) if is_uuid else self.values(column.storage)
        if types.is_dictionary(kind):
            return self.values(column.dictionary_decode())
        if types.is_struct(kind):
            return self._structs(column)
        if types.is_map(kind):
            return self._maps(column)
        if types.is_nested(kind) and not types.is_union(kind):
            return self._lists(column)
        if types.is_temporal(kind) and not types.is_interval(kind):
            # As integers: Python's times end with the year 9999, and have no nanoseconds.
            counts = column.cast(self._arrow.int64() if kind.bit_width == 64 else self._arrow.int32())
            return _written(counts.to_pylist(), self._time_writer(kind))
        return _written(column.to_pylist(), self._simple_writer(kind))

    def _structs(self, column: Any) -> list[Any]:
        names = [column.type.field(at).name for at in range(column.type.num_fields)]
        if len(set(names)) < len(names):
            raise ValueError(f"several fields of a struct are named alike: {', '.join(names)}")
        rows = zip(*map(self.values, column.flatten()), strict=True) if names else [()] * len(column)
        found = [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows
        ]
        return _with_nulls(found, column)

    def _lists(self, column: Any) -> list[Any]:
        inner, found, at = self.values(column.flatten()), list[Any](), 0
        for length in self._length(column).to_pylist():
            found.append(None if length is None else inner[at : at + length])
            at += length or 0
        return found

    def _maps(self, column: Any) -> list[Any]:
        offsets: list[int] = column.offsets.to_pylist()
        first, count = offsets[0], offsets[-1] - offsets[0]
        names, values = (self.values(one.slice(first, count)) for one in (column.keys, column.items))
        entries = list(zip(map(str, names), values, strict=True))
        found = [
            {name: value for name, value in entries[begin - first : end - first] if value is not None}
            for begin, end in pairwise(offsets)
        ]
        return _with_nulls(found, column)

    def _time_writer(self, kind: Any) -> Write:
        """Of counts, in ISO 8601."""
        types = self._types
        if types.is_date(kind):
            return _date if types.is_date32(kind) else lambda count: _date(count // _DAY_MILLISECONDS)
        per_second = _PER_SECOND[kind.unit]
        if types.is_timestamp(kind):
            return lambda count: f"{_moment(count // per_second)}{_fraction(count % per_second, per_second)}Z"
        if types.is_time(kind):
            return lambda count: f"{_clock(count // per_second)}{_fraction(count % per_second, per_second)}"
        return lambda count: f"{'-' * (count < 0)}PT{_seconds(abs(count), per_second)}S"

    def _simple_writer(self, kind: Any) -> Write | None:
        types = self._types
        if types.is_floating(kind):
            return _number
        if types.is_decimal(kind):
            return _decimal
        if _is_binary(types, kind):
            return _fixed_binary if types.is_fixed_size_binary(kind) else _binary
        is_json = types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind)
        return None if is_json or types.is_string(kind) or types.is_large_string(kind) else _other


def _with_nulls(values: list[Any], column: Any) -> list[Any]:
    if not column.null_count:
        return values
    return [one if known else None for one, known in zip(values, column.is_valid().to_pylist(), strict=True)]


def _written(values: list[Any], write: Write | None) -> list[Any]:
    return values if write is None else [None if one is None else write(one) for one in values]


def _date(days: int) -> str:
    """Of a count of days since 1970. A year that has no four digits has a sign (ISO 8601, expanded form)."""
    cycles, rest = divmod(days - _DAYS_TO_2000, _CYCLE_DAYS)
    found = _YEAR_2000 + timedelta(rest)
    year = found.year + 400 * cycles
    name = f"{year:04}" if 0 <= year <= 9999 else f"{year:+06}"
    return f"{name}-{found.month:02}-{found.day:02}"


def _moment(seconds: int) -> str:
    days, rest = divmod(seconds, _DAY_SECONDS)
    return f"{_date(days)}T{_clock(rest)}"


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def _seconds(count: int, per_second: int) -> str:
    return f"{count // per_second}{_fraction(count % per_second, per_second)}"


def _fraction(count: int, per_second: int) -> str:
    """With as many digits as it has."""
    return f".{str(per_second + count)[1:].rstrip('0')}" if count else ""


def _is_binary(types: Any, kind: Any) -> bool:
    is_view = getattr(types, "is_binary_view", None)  # from pyarrow 16.1 on
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or (is_view is not None and bool(is_view(kind)))
    )


def _binary(value: bytes) -> Any:
    """Text of writers that do not mark it as such (Impala, Athena, Spark), else as of a fixed length."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _fixed_binary(value)
    return _fixed_binary(value) if _controls(text) else text


def _fixed_binary(value: bytes) -> Any:
    """GeoJSON of well-known binary: so are `geometry`, `proj:geometry` and others like it. Else base64."""
    shapely = importlib.import_module("shapely")
    shape = shapely.from_wkb(value, on_invalid="ignore")
    return base64.b64encode(value).decode() if shape is None else _lists(shapely.geometry.mapping(shape))


def _lists(value: Any) -> Any:
    """With lists for tuples: geometries are compared and repaired as JSON has them."""
    if isinstance(value, dict):
        return {name: _lists(one) for name, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, list | tuple) else value


def _number(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def _decimal(value: Any) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _other(value: Any) -> Any:
    """A value of a type that JSON does not have, as text."""
    return value if isinstance(value, str) else str(value)
