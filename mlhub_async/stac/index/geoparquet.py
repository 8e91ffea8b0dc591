"""Writes items as stac-geoparquet 1.1 in GeoParquet 1.1, in two passes and constant memory.

The first pass finds the type of each column, the second writes row groups. Columns are the members of an
item, with those of `properties` beside them. Times are timestamps in UTC, the bbox is a struct that also
covers the geometry, which is ISO WKB; an item without geometry has a null. What has no one type in all items
(a number here, a text there; an object without members) is JSON as text.

A covering is compared as numbers (GeoParquet 1.1, bounding box columns). A bbox over the antimeridian, whose
west is greater than its east (RFC 7946 5.2), is an empty range then: with such an item there is no covering.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from ...core.errors import UsageError
from ...core.json_text import encode_json, with_whole_characters
from ...core.model import JsonObject
from ..datetimes import parse_instant
from .rooted import WrittenItem, rooted

ROWS_PER_GROUP = 2_000
VERSION = "1.1.0"
"""Of both specifications."""
TIMES = frozenset(
    {"datetime", "start_datetime", "end_datetime", "created", "updated", "published", "expires"}
)
MEMBERS = (
    "type",
    "stac_version",
    "stac_extensions",
    "id",
    "geometry",
    "bbox",
    "links",
    "assets",
    "collection",
)
BBOX = ("xmin", "ymin", "xmax", "ymax")
BBOX_3D = ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax")

Items = Callable[[], Iterable[WrittenItem]]
"""All items, from the beginning: called twice."""
Row = dict[str, Any]


def libraries() -> tuple[Any, Any, Any]:
    """pyarrow, pyarrow.parquet and shapely. Raises `UsageError` where they are not installed."""
    try:
        pyarrow, parquet, shapely = map(importlib.import_module, ("pyarrow", "pyarrow.parquet", "shapely"))
    except ImportError as error:
        raise UsageError(f"items.parquet needs {error.name}: python -m pip install 'pyarrow>=16'") from None
    return pyarrow, parquet, shapely


def write_geoparquet(file: BinaryIO, items: Items, collections: Mapping[str, JsonObject]) -> None:
    """Write into a file that is empty. `collections` are stored in its metadata, by id.

    pyarrow is given no path: it takes `a:b/c` for a URL, and a name that is no UTF-8 for an error. Raises
    OSError, and `UsageError` where pyarrow or shapely is not installed.
    """
    pyarrow, parquet, _ = libraries()
    columns = _Columns(pyarrow)
    for rows in _groups(items()):
        columns.learn(rows)
    columns.learn([])  # for a mirror without items: readers ask for the members of an item
    schema = pyarrow.schema(columns.fields(), metadata=_metadata(columns, collections))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _groups(items()):
            arrays = [pyarrow.array(columns.values(name, rows), kind) for name, kind in columns.types.items()]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _groups(items: Iterable[WrittenItem]) -> Iterator[list[Row]]:
    rows = map(_row, items)
    while group := list(itertools.islice(rows, ROWS_PER_GROUP)):
        yield group


def _row(item: WrittenItem) -> Row:
    """One item as a row: a property never hides a member of the item. Parquet has no half characters."""
    body = with_whole_characters(rooted(item))
    properties = body.pop("properties", None)
    row = {**properties} if isinstance(properties, dict) else {}
    row.update(body)
    for name in TIMES & row.keys():
        row[name] = parse_instant(row[name])
    return row


def _bbox(numbers: Any, names: tuple[str, ...]) -> dict[str, float] | None:
    """The struct of a bbox, null where there is none. A height that an item does not have is NaN: readers
    (stac-geoparquet 0.8, rustac 0.9) refuse a null there."""
    own = {4: BBOX, 6: BBOX_3D}.get(len(numbers)) if isinstance(numbers, list | tuple) else None
    if own is None or not all(isinstance(one, int | float) for one in numbers):
        return None
    values = dict(zip(own, map(float, numbers), strict=True))
    return {name: values.get(name, math.nan) for name in names}


class _Columns:
    """The columns of all items, the type of each, and what describes the geometries."""

    def __init__(self, pyarrow: Any) -> None:
        self._pyarrow = pyarrow
        self._shapely = libraries()[2]
        self.types: dict[str, Any] = {}
        self.geometry_types: set[str] = set()
        self.is_covering = True
        self._has_heights = False
        self._json: set[str] = set()

    def learn(self, rows: list[Row]) -> None:
        """Take the types of these rows into account."""
        for name in dict.fromkeys(itertools.chain(MEMBERS, *rows)):
            if name not in ("geometry", "bbox"):
                self._learn_column(name, [row.get(name) for row in rows])
        boxes = [box for row in rows if (box := _bbox(row.get("bbox"), BBOX)) is not None]
        self.is_covering &= all(box["xmin"] <= box["xmax"] for box in boxes)
        self._has_heights |= any(len(row.get("bbox") or ()) == 6 for row in rows)
        for row in rows:
            if isinstance(geometry := row.get("geometry"), dict):
                self._learn_geometry(geometry)
        self.types["geometry"] = self._pyarrow.binary()
        self.types["bbox"] = self._pyarrow.struct(
            [(name, self._pyarrow.float64()) for name in self._bbox_names]
        )

    @property
    def _bbox_names(self) -> tuple[str, ...]:
        return BBOX_3D if self._has_heights else BBOX

    def _learn_geometry(self, geometry: JsonObject) -> None:
        shape = self._shape(geometry)
        if shape is not None:
            self.geometry_types.add(f"{shape.geom_type}{' Z' if shape.has_z else ''}")

    def _shape(self, geometry: JsonObject) -> Any:
        return self._shapely.from_geojson(encode_json(geometry), on_invalid="ignore")

    def _learn_column(self, name: str, values: list[Any]) -> None:
        if name in self._json:
            return
        try:
            kind = self._pyarrow.timestamp("us", "UTC") if name in TIMES else self._pyarrow.array(values).type
            kind = self._merged(self.types.get(name, kind), kind)
        except (self._pyarrow.ArrowException, OverflowError):
            kind = None
        if kind is None or not self._is_writable(kind):
            self._json.add(name)
            kind = self._pyarrow.string()
        self.types[name] = kind

    def _merged(self, one: Any, other: Any) -> Any:
        schemas = [self._pyarrow.schema([("", kind)]) for kind in (one, other)]
        return self._pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type

    def _is_writable(self, kind: Any) -> bool:
        """Parquet has no struct without members."""
        if self._pyarrow.types.is_struct(kind):
            return bool(kind.num_fields) and all(self._is_writable(field.type) for field in kind)
        return not self._pyarrow.types.is_list(kind) or self._is_writable(kind.value_type)

    def fields(self) -> list[Any]:
        return [self._pyarrow.field(name, kind) for name, kind in self.types.items()]

    def values(self, name: str, rows: list[Row]) -> list[Any]:
        """The values of a column, as pyarrow takes them for its type."""
        values = [row.get(name) for row in rows]
        if name == "geometry":
            return [self._wkb(one) if isinstance(one, dict) else None for one in values]
        if name == "bbox":
            return [
                _bbox(one or self._bounds(row), self._bbox_names)
                for one, row in zip(values, rows, strict=True)
            ]
        if name in self._json:
            return [None if one is None else encode_json(one).decode() for one in values]
        return values

    def _bounds(self, row: Row) -> tuple[float, ...] | None:
        """The bbox of the geometry, for an item that has none although STAC demands it."""
        geometry = row.get("geometry")
        shape = self._shape(geometry) if isinstance(geometry, dict) else None
        return None if shape is None or shape.is_empty else tuple(shape.bounds)

    def _wkb(self, geometry: JsonObject) -> bytes | None:
        shape = self._shape(geometry)
        return None if shape is None else self._shapely.to_wkb(shape, output_dimension=3, flavor="iso")


def _metadata(columns: _Columns, collections: Mapping[str, JsonObject]) -> dict[str, bytes]:
    geometry: JsonObject = {"encoding": "WKB", "geometry_types": sorted(columns.geometry_types)}
    if columns.is_covering:
        geometry["covering"] = {"bbox": {name: ["bbox", name] for name in BBOX}}
    geo = {"version": VERSION, "primary_column": "geometry", "columns": {"geometry": geometry}}
    stac = {"version": VERSION, "collections": dict(collections)}
    return {"geo": encode_json(geo), "stac-geoparquet": encode_json(stac)}
