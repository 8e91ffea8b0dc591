"""Hides dates and times as searches and items write them."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime

from ..core.errors import UsageError
from ..core.model import JsonObject

Interval = tuple[datetime | None, datetime | None]

_PARTIAL = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_OPEN = ("", "..")


def interval(text: str) -> Interval:
    """An instant, `A/B`, `A/..`, `../B`, as closed bounds; a date without time means all of it.

    Raises `UsageError` for anything else.
    """
    parts = [part.strip() for part in text.split("/")]
    if len(parts) > 2 or all(part in _OPEN for part in parts):
        raise _unusable(text)
    start = None if parts[0] in _OPEN else _bounds(parts[0], text)[0]
    end = None if parts[-1] in _OPEN else _bounds(parts[-1], text)[1]
    if start and end and start > end:
        raise _unusable(text)
    return start, end


def for_server(text: str) -> str:
    """The interval as servers take it: RFC 3339, both ends."""
    return written(interval(text))


def written(bounds: Interval) -> str:
    """Bounds as text that `interval` takes for the same ones."""
    if bounds[0] == bounds[1]:
        return _rfc3339(bounds[0])
    return f"{_rfc3339(bounds[0])}/{_rfc3339(bounds[1])}"


def instant(value: object) -> datetime | None:
    """An RFC 3339 time of an item; without a zone it is UTC. None for whatever is no time."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip().upper())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError:  # the first or the last day there is, which stand for no end: whatever their zone
        return found.replace(tzinfo=UTC)
    except ValueError:
        return None


def within(properties: JsonObject, bounds: Interval) -> bool:
    """Whether the item's time, or the span from start_datetime to end_datetime, meets the bounds."""
    moment = instant(properties.get("datetime"))
    if moment is not None and _meets(moment, moment, bounds):
        return True
    first, last = instant(properties.get("start_datetime")), instant(properties.get("end_datetime"))
    if first is None and last is None:
        return False
    return _meets(first, last, bounds)


def hull(properties: JsonObject) -> Interval:
    """The first and the last time that an item tells of itself; neither where its span has one end only."""
    told = [instant(properties.get(name)) for name in ("datetime", "start_datetime", "end_datetime")]
    times = [moment for moment in told if moment is not None]
    whole = (told[1] is None) == (told[2] is None)
    return (min(times), max(times)) if times and whole else (None, None)


def _meets(first: datetime | None, last: datetime | None, bounds: Interval) -> bool:
    start, end = bounds
    after = last is None or start is None or last >= start
    return after and (first is None or end is None or first <= end)


def _bounds(part: str, text: str) -> tuple[datetime, datetime]:
    """First and last second of a year, month or day; an instant is both its ends."""
    partial = _PARTIAL.fullmatch(part)
    moment = instant(part)
    if not partial and moment:
        return moment, moment
    if not partial:
        raise _unusable(text)
    year, month, day = (int(found) if found else None for found in partial.groups())
    try:
        start = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
        last_day = day or calendar.monthrange(start.year, month or 12)[1]
        return start, datetime(start.year, month or 12, last_day, 23, 59, 59, tzinfo=UTC)
    except ValueError as error:
        raise _unusable(text) from error


def _rfc3339(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ".."


def _unusable(text: str) -> UsageError:
    return UsageError(
        f"--datetime {text!r} is neither a time nor an interval: "
        "write 2020-01-31, 2020-01-31T12:00:00Z, 2020-01/2020-06 or 2020-01-01/.."
    )
