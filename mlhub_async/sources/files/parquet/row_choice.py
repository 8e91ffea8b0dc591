"""Which rows of a row group may be selected, by a few of its columns: others are certain not to be."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import Any

from .... import stac
from ....core.options import Selection
from .row_groups import HALF_TURN, SIDES, SPANS, GroupChoice
from .rows import libraries

_CLOSE = timedelta(seconds=1)
"""Times are compared with less precision than they have."""


class RowChoice:
    """The conditions --bbox, --datetime, --ids and -c.

    With -c one row of each collection that there is stays, whatever else is asked for: by these it is told
    whether a collection is unknown, or has no selected items.
    """

    def __init__(self, selection: Selection, schema: Any, paths: list[str]) -> None:
        self._compute = libraries()[2]
        self._arrow = libraries()[0]
        self.groups = GroupChoice(selection, schema, paths)
        self._ids = selection.ids if self._is_text(schema, "id") else ()
        self._names = selection.collections
        self._is_usable = not self._names or self._is_text(schema, "collection")
        self._admits = stac.CollectionChoice(selection.collections).admits
        self._seen: set[str] = set()
        self._spans = [name for name in SPANS if name in schema.names]

    def _is_text(self, schema: Any, name: str) -> bool:
        types = self._arrow.types
        kind = schema.field(name).type if name in schema.names else None
        return kind is not None and bool(types.is_string(kind) or types.is_large_string(kind))

    def columns(self, *, ruled_out: bool) -> list[str]:
        """The columns that `rows` needs of a row group; [] if it chooses nothing, and all rows stay or, where
        the group is ruled out, none."""
        names = ["collection"] * bool(self._names)
        if ruled_out or not self._is_usable:
            return names * self._is_usable
        names += ["bbox"] * (self.groups.box is not None) + ["id"] * bool(self._ids)
        return names + (["datetime", *self._spans] if self.groups.interval is not None else [])

    def may_have(self, group: Any) -> bool:
        """Whether a row group, by its metadata, may have rows that stay for more than their collection."""
        return not self._is_usable or self.groups.may_have(group)

    def rows(self, batch: Any, *, ruled_out: bool) -> Any:
        """Of the rows with these columns those that may be selected, as a mask."""
        names, masks = batch.schema.names, []
        if "bbox" in names:
            masks.append(self._in_box(batch.column("bbox")))
        if "datetime" in names:
            masks.append(self._in_interval(batch))
        if "id" in names:
            masks.append(self._is_one_of(batch.column("id"), self._ids))
        if not self._names:
            return reduce(self._compute.and_, masks)
        collections = batch.column("collection")
        values = self._compute.unique(collections).to_pylist()
        admitted = [] if ruled_out else [one for one in values if one is None or self._admits(one)]
        mask = reduce(self._compute.and_, masks, self._is_one_of(collections, admitted))
        return self._with_first_of_each(mask, collections, values)

    def _with_first_of_each(self, mask: Any, collections: Any, values: list[str | None]) -> Any:
        new = [one for one in values if one is not None and one not in self._seen]
        if not new:
            return mask
        self._seen.update(new)
        firsts = [self._compute.index(collections, value).as_py() for value in new]
        rows = self._arrow.array(range(len(collections)), self._arrow.int64())
        return self._compute.or_(mask, self._is_one_of(rows, firsts))

    def _is_one_of(self, column: Any, values: Any) -> Any:
        return self._compute.is_in(column, value_set=self._arrow.array(values, column.type))

    def _in_box(self, boxes: Any) -> Any:
        compute = self._compute
        assert self.groups.box is not None
        west, south, east, north = self.groups.box
        sides = (compute.struct_field(boxes, name) for name in SIDES)
        # A box with NaN is none: its geometry tells.
        xmin, ymin, xmax, ymax = (compute.if_else(compute.is_nan(one), None, one) for one in sides)
        mask = compute.and_(compute.less_equal(ymin, north), compute.greater_equal(ymax, south))
        if west <= east:
            across = compute.and_(compute.less_equal(xmin, east), compute.greater_equal(xmax, west))
            for may_wrap in (
                compute.greater(xmin, xmax),
                compute.less(xmin, -HALF_TURN),
                compute.greater(xmax, HALF_TURN),
            ):
                across = compute.or_(across, may_wrap)
            mask = compute.and_(mask, across)
        return compute.fill_null(mask, True)

    def _in_interval(self, batch: Any) -> Any:
        compute = self._compute
        assert self.groups.interval is not None
        seconds = self._arrow.timestamp("s", "UTC")
        moments = compute.cast(batch.column("datetime"), seconds, safe=False)
        start, end = self.groups.interval
        mask = compute.is_null(moments)
        within = compute.is_valid(moments)
        if start:
            earliest = self._arrow.scalar(start.replace(microsecond=0) - _CLOSE, seconds)
            within = compute.and_(within, compute.greater_equal(moments, earliest))
        if end:
            latest = self._arrow.scalar(end.replace(microsecond=0) + _CLOSE, seconds)
            within = compute.and_(within, compute.less_equal(moments, latest))
        for name in self._spans:
            mask = compute.or_(mask, compute.is_valid(batch.column(name)))
        return compute.fill_null(compute.or_(mask, within), True)
