"""Which row groups and rows of a Parquet file may have selected items: by statistics and a few columns.

It leaves out what is certain not to be selected, and decides nothing else: items are selected as everywhere.
"""

from __future__ import annotations

from typing import Any

from ....core.options import Selection
from ....stac import parse_interval
from .rows import libraries

_SPANS = ("start_datetime", "end_datetime")
HALF_TURN = 180.0


class RowChoice:
    """The conditions of a selection that columns can tell: --bbox and --datetime."""

    def __init__(self, selection: Selection, schema: Any) -> None:
        names = set(schema.names)
        box = selection.bbox
        # With -c the collections that there are must be known, whatever else is asked for.
        usable = not selection.collections
        half = len(box) // 2 if box else 0
        self._box = (*box[:2], *box[half : half + 2]) if usable and box and "bbox" in names else None
        if self._box is not None and not _has_box(schema):
            self._box = None
        timed = usable and selection.datetime and "datetime" in names and _is_time(schema)
        self._interval = parse_interval(selection.datetime) if timed and selection.datetime else None
        self._columns = ["bbox"] * (self._box is not None)

    @property
    def columns(self) -> list[str]:
        """The columns that `rows` needs; [] if every row may be selected."""
        return self._columns

    def may_have(self, group: Any) -> bool:
        """Whether a row group, by its metadata, may have selected items."""
        found = {
            group.column(at).path_in_schema: group.column(at).statistics for at in range(group.num_columns)
        }
        return self._meets_box(found) and self._meets_interval(found, group.num_rows)

    def rows(self, table: Any) -> Any:
        """Of the rows with these columns those that may be selected, as a mask."""
        compute = libraries()[2]
        assert self._box is not None
        west, south, east, north = self._box
        xmin, ymin, xmax, ymax = (
            compute.struct_field(table.column("bbox"), name) for name in ("xmin", "ymin", "xmax", "ymax")
        )
        mask = compute.and_(compute.less_equal(ymin, north), compute.greater_equal(ymax, south))
        if west <= east:
            across = compute.and_(compute.less_equal(xmin, east), compute.greater_equal(xmax, west))
            mask = compute.and_(mask, compute.or_(across, compute.greater(xmin, xmax)))
        return compute.fill_null(mask, True)

    def _meets_box(self, found: dict[str, Any]) -> bool:
        if self._box is None:
            return True
        sides = [found.get(f"bbox.{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
        known = [one for one in sides if one is not None and one.has_min_max and not one.null_count]
        if len(known) < len(sides):
            return True
        xmin, ymin, xmax, ymax = known
        west, south, east, north = self._box
        if ymin.min > north or ymax.max < south:
            return False
        # A box over the antimeridian has xmin > xmax, which shows where both are far apart.
        may_wrap = west > east or xmin.max - xmax.min >= HALF_TURN
        return may_wrap or not (xmin.min > east or xmax.max < west)

    def _meets_interval(self, found: dict[str, Any], rows: int) -> bool:
        moments = found.get("datetime")
        if self._interval is None or moments is None or not moments.has_min_max or moments.null_count:
            return True
        for name in _SPANS:
            span = found.get(name)
            if name in found and (span is None or span.null_count != rows):
                return True
        start, end = self._interval
        return not ((start and moments.max < start) or (end and moments.min > end))


def _has_box(schema: Any) -> bool:
    kind = schema.field("bbox").type
    pyarrow = libraries()[0]
    return bool(pyarrow.types.is_struct(kind)) and {"xmin", "ymin", "xmax", "ymax"} <= {
        kind.field(at).name for at in range(kind.num_fields)
    }


def _is_time(schema: Any) -> bool:
    kind = schema.field("datetime").type
    return bool(libraries()[0].types.is_timestamp(kind)) and kind.tz == "UTC"
