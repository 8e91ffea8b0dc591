"""Which row groups of a Parquet file may have selected items, by their statistics.

It leaves out what is certain not to be selected, and decides nothing else: items are selected as everywhere.
"""

from __future__ import annotations

from typing import Any

from ....core.options import Selection
from ....stac import parse_interval
from .rows import libraries

SPANS = ("start_datetime", "end_datetime")
SIDES = ("xmin", "ymin", "xmax", "ymax")
HALF_TURN = 180.0


class GroupChoice:
    """The conditions of a selection that statistics can tell: --bbox and --datetime. `paths` are those of the
    columns of the file, in their order; `box` and `interval` are None where there is no such condition."""

    def __init__(self, selection: Selection, schema: Any, paths: list[str]) -> None:
        box = selection.bbox
        half = len(box) // 2 if box else 0
        self.box = (*box[:2], *box[half : half + 2]) if box and _has_box(schema) else None
        timed = selection.datetime and _is_time(schema)
        self.interval = parse_interval(selection.datetime) if timed and selection.datetime else None
        places = {path: at for at, path in enumerate(paths)}
        self._sides = [places.get(f"bbox.{name}") for name in SIDES]
        self._datetime = places.get("datetime")
        self._spans = [places[name] for name in SPANS if name in places]

    def may_have(self, group: Any) -> bool:
        """Whether a row group, by its metadata, may have selected items."""
        return self._meets_box(group) and self._meets_interval(group)

    def _meets_box(self, group: Any) -> bool:
        if self.box is None:
            return True
        sides = [_bounds(group, at) for at in self._sides]
        known = [one for one in sides if one is not None]
        if len(known) < len(sides):
            return True
        xmin, ymin, xmax, ymax = known
        west, south, east, north = self.box
        if ymin.min > north or ymax.max < south:
            return False
        # A box over the antimeridian has xmin > xmax, which shows where both are far apart, or goes beyond.
        is_beyond = xmin.min < -HALF_TURN or xmax.max > HALF_TURN
        may_wrap = west > east or xmin.max - xmax.min >= HALF_TURN or is_beyond
        return may_wrap or not (xmin.min > east or xmax.max < west)

    def _meets_interval(self, group: Any) -> bool:
        moments = _bounds(group, self._datetime)
        if self.interval is None or moments is None:
            return True
        for at in self._spans:
            span = group.column(at).statistics
            if span is None or span.null_count != group.num_rows:
                return True
        start, end = self.interval
        try:
            return not ((start and moments.max < start) or (end and moments.min > end))
        except (ValueError, OverflowError):  # no moments of Python: nanoseconds, or years beyond 9999
            return True


def _bounds(group: Any, at: int | None) -> Any:
    """The statistics of a column that has no nulls; None where there are none."""
    found = None if at is None else group.column(at).statistics
    return found if found is not None and found.has_min_max and not found.null_count else None


def _has_box(schema: Any) -> bool:
    if "bbox" not in schema.names:
        return False
    kind = schema.field("bbox").type
    return bool(libraries()[0].types.is_struct(kind)) and set(SIDES) <= {
        kind.field(at).name for at in range(kind.num_fields)
    }


def _is_time(schema: Any) -> bool:
    if "datetime" not in schema.names:
        return False
    kind = schema.field("datetime").type
    return bool(libraries()[0].types.is_timestamp(kind)) and kind.tz == "UTC"
