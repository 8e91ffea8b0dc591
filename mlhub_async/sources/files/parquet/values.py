"""Turns the values of a Parquet column, also those within structs and lists, into values of JSON."""

from __future__ import annotations

import base64
import importlib
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ....core.model import JsonObject

Write = Callable[[Any], Any]
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class ValueWriter:
    """`arrow` is the module pyarrow. A type is one of its data types."""

    def __init__(self, arrow: Any) -> None:
        self._arrow = arrow
        self._types = arrow.types

    def values(self, column: Any) -> list[Any]:
        """The values of a column; None where it has none. Nulls in structs are left out."""
        kind = column.type
        counted = self._counted(kind)
        found: list[Any] = (column if counted.equals(kind) else column.cast(counted)).to_pylist()
        write = self._writer(kind)
        return found if write is None else [None if one is None else write(one) for one in found]

    def _counted(self, kind: Any) -> Any:
        """The type with integers for its times: Python's have fewer digits than a nanosecond needs."""
        types, arrow = self._types, self._arrow
        if types.is_timestamp(kind):
            return arrow.int64()
        if types.is_dictionary(kind):
            return self._counted(kind.value_type)
        if types.is_struct(kind):
            fields = (kind.field(at) for at in range(kind.num_fields))
            return arrow.struct([one.with_type(self._counted(one.type)) for one in fields])
        if types.is_list(kind) or types.is_large_list(kind):
            make = arrow.list_ if types.is_list(kind) else arrow.large_list
            return make(kind.value_field.with_type(self._counted(kind.value_type)))
        return kind

    def _writer(self, kind: Any) -> Write | None:
        """What turns a value that is not null into one of JSON; None where it is one."""
        types = self._types
        if isinstance(kind, self._arrow.BaseExtensionType):
            return str if kind.extension_name == "arrow.uuid" else self._writer(kind.storage_type)
        if types.is_dictionary(kind):
            return self._writer(kind.value_type)
        if types.is_map(kind):
            return self._map_writer(kind)
        if types.is_struct(kind):
            fields = (kind.field(at) for at in range(kind.num_fields))
            return _struct_writer({one.name: self._writer(one.type) for one in fields})
        if types.is_nested(kind):
            return None if types.is_union(kind) else _list_writer(self._writer(kind.value_type))
        if types.is_timestamp(kind):
            return _time_writer(_PER_SECOND[kind.unit])
        return self._simple_writer(kind)

    def _simple_writer(self, kind: Any) -> Write | None:
        types = self._types
        if types.is_floating(kind):
            return _number
        if types.is_decimal(kind):
            return _decimal
        if types.is_date(kind) or types.is_time(kind):
            return lambda value: value.isoformat()
        if _is_binary(types, kind):
            return _binary
        is_json = types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind)
        return None if is_json or types.is_string(kind) or types.is_large_string(kind) else _other

    def _map_writer(self, kind: Any) -> Write:
        times = self._types.is_timestamp(kind.item_type)
        write = None if times else self._writer(kind.item_type)  # they are not counted there

        def written(pairs: Any) -> JsonObject:
            found = {str(name): _written(write, value) for name, value in pairs if value is not None}
            return {name: _other(value) if times else value for name, value in found.items()}

        return written


def _written(write: Write | None, value: Any) -> Any:
    return value if write is None or value is None else write(value)


def _struct_writer(writers: dict[str, Write | None]) -> Write:
    def written(value: JsonObject) -> JsonObject:
        return {name: _written(writers[name], one) for name, one in value.items() if one is not None}

    return written


def _list_writer(write: Write | None) -> Write | None:
    return None if write is None else lambda values: [_written(write, one) for one in values]


def _time_writer(per_second: int) -> Write:
    """RFC 3339 of a count since 1970, with as many digits as it has."""
    digits = len(str(per_second)) - 1

    def write(count: int) -> str:
        seconds, rest = divmod(count, per_second)
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        fraction = f"{rest:0{digits}}".rstrip("0") if rest else ""
        return f"{text}.{fraction}Z" if fraction else f"{text}Z"

    return write


def _is_binary(types: Any, kind: Any) -> bool:
    is_view = getattr(types, "is_binary_view", None)  # from pyarrow 16.1 on
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or (is_view is not None and bool(is_view(kind)))
    )


def _binary(value: bytes) -> Any:
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
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str) else str(value)
