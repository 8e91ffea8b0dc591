"""Turns the rows of stac-geoparquet into items (stac-geoparquet 1.1, "Spec")."""

from __future__ import annotations

import importlib
import math
from typing import Any

from ....core.errors import UsageError
from ....core.json_text import loads
from ....core.model import JsonObject
from ....stac.index.geoparquet import MEMBERS
from .values import ValueWriter

_MEMBERS = frozenset({*MEMBERS, "properties"})
"""Columns that are members of the item; all others are properties of it, and so are the fields of a column
`properties`, as DuckDB makes of a FeatureCollection."""
_BBOX = ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax")


def libraries() -> tuple[Any, Any, Any]:
    """pyarrow, pyarrow.parquet and pyarrow.compute. Raises `UsageError` where they are not installed."""
    try:
        pyarrow, parquet, compute = map(
            importlib.import_module, ("pyarrow", "pyarrow.parquet", "pyarrow.compute")
        )
    except ImportError:
        raise UsageError("to read Parquet pyarrow is needed: python -m pip install 'pyarrow>=16'") from None
    return pyarrow, parquet, compute


def items_of_batch(batch: Any) -> list[JsonObject]:
    """The rows of a record batch as items. Nulls that only columns need are left out."""
    arrow, _, compute = libraries()
    writer = ValueWriter(arrow, compute)
    columns = {name: writer.values(batch.column(at)) for at, name in enumerate(batch.schema.names)}
    return [_item({name: values[row] for name, values in columns.items()}) for row in range(batch.num_rows)]


def _item(row: JsonObject) -> JsonObject:
    item: JsonObject = {"type": "Feature", "stac_version": "1.0.0"}
    item |= {name: row[name] for name in ("type", "stac_version", "stac_extensions") if row.get(name)}
    item["id"] = row.get("id")
    item["geometry"] = _geometry(row.get("geometry"))
    if (bbox := _bbox(row.get("bbox"))) is not None:
        item["bbox"] = bbox
    item["properties"] = {
        name: value for name, value in row.items() if name not in _MEMBERS and value is not None
    }
    nested = _parsed(row.get("properties"))
    if nested is not None:
        nested = nested if isinstance(nested, dict) else {"properties": nested}
        item["properties"] = {**nested, **item["properties"]}
    item["properties"].setdefault("datetime", None)
    item["links"] = _parsed(row.get("links")) or []
    item["assets"] = _parsed(row.get("assets")) or {}
    if row.get("collection"):
        item["collection"] = row["collection"]
    return item


def _bbox(value: Any) -> list[float] | None:
    """As the list that an item has, from a struct or a list. Heights that are null or NaN are none."""
    if isinstance(value, dict):
        value = [value[name] for name in _BBOX if _is_number(value.get(name))]
    return value if isinstance(value, list) and len(value) in (4, 6) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)


def _geometry(value: Any) -> JsonObject | None:
    """None for what is none, which STAC has for an item without place."""
    return value if isinstance(value, dict) else None


def _parsed(value: Any) -> Any:
    """A column whose values have no one type is JSON as text, by some programs encoded twice. Text that is
    no JSON stays what it is: nobody knows what it hides."""
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = _without_nulls(loads(value))
            except ValueError:
                break
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value
