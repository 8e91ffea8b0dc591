"""The extent of a collection in space and time, as the union of those of its items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from ...core.model import JsonObject


class Extent:
    """Running union of the boxes and times of items. Values that are no box or time are skipped.

    Heights are dropped. A box over the antimeridian widens the union to all longitudes. `state` is a list
    that JSON can hold and that `Extent(state)` continues from.
    """

    __slots__ = ("_box", "_first", "_last")

    def __init__(self, state: Sequence[Any] | None = None) -> None:
        box, first, last = state or (None, None, None)
        self._box: tuple[float, float, float, float] | None = tuple(box) if box else None
        self._first = _moment(first)
        self._last = _moment(last)

    def add(self, body: JsonObject) -> None:
        """Add the box and times of one item, given by its body."""
        box = _flat(body.get("bbox"))
        if box is not None:
            self._grow(box)
        properties = body.get("properties")
        if isinstance(properties, dict):
            at = _moment(properties.get("datetime"))
            first = _moment(properties.get("start_datetime"))
            last = _moment(properties.get("end_datetime"))
            self._span(first or at, last or at)

    def merge(self, other: Extent) -> None:
        """Add all that the other extent covers."""
        if other._box is not None:
            self._grow(other._box)
        self._span(other._first, other._last)

    @property
    def state(self) -> list[Any]:
        return [list(self._box) if self._box else None, _text(self._first), _text(self._last)]

    @property
    def json(self) -> JsonObject:
        """A STAC extent object: the whole world and all times where no item has a box or time."""
        box, first, last = self.state
        return {
            "spatial": {"bbox": [box or [-180.0, -90.0, 180.0, 90.0]]},
            "temporal": {"interval": [[first, last]]},
        }

    def _grow(self, box: tuple[float, float, float, float]) -> None:
        if self._box is None:
            self._box = box
            return
        w, s, e, n = self._box
        west, south, east, north = box
        if west < w or south < s or east > e or north > n:  # rare: most items are within
            self._box = (min(w, west), min(s, south), max(e, east), max(n, north))

    def _span(self, first: datetime | None, last: datetime | None) -> None:
        if first is not None and (self._first is None or first < self._first):
            self._first = first
        if last is not None and (self._last is None or last > self._last):
            self._last = last


def _flat(box: object) -> tuple[float, float, float, float] | None:
    if not isinstance(box, list) or len(box) not in (4, 6):
        return None
    if not (set(map(type, box)) == {float} and isfinite(sum(box))) and not all(map(_is_number, box)):
        return None
    middle = len(box) // 2
    west, south, east, north = float(box[0]), float(box[1]), float(box[middle]), float(box[middle + 1])
    if south > north:
        return None
    return (west, south, east, north) if west <= east else (-180.0, south, 180.0, north)


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() < 64
    return isinstance(value, float) and isfinite(value)


def _moment(value: object) -> datetime | None:
    """A time by RFC 3339 or looser ISO 8601; without a zone it is UTC. None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
