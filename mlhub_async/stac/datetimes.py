"""Instants and intervals as searches and items write them (RFC 3339 and looser forms)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..core import pattern_on_use
from ..core.errors import UsageError
from ..core.model import JsonObject

Interval = tuple[datetime | None, datetime | None]
"""First and last instant, both included; None for no bound."""

_DATE = pattern_on_use(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_LEAP_SECOND = pattern_on_use(r"([T ]\d\d:\d\d:)60(?:[.,]\d*)?")
_MIDNIGHT = pattern_on_use(r"[T ]24:00(?::00(?:[.,]0*)?)?(?=Z|[+-]|$)")
"""The end of a day, as ISO 8601 has it"""
_OPEN = ("", "..")
_SECOND = timedelta(seconds=1)
_LAST = datetime.max.replace(tzinfo=UTC, microsecond=0)


def parse_interval(text: str) -> Interval:
    """The bounds of an instant, `A/B`, `A/..` or `../B`; a date without time is all of that period.

    Raises `UsageError` for anything else.
    """
    ends = [end.strip() for end in text.split("/")]
    if len(ends) > 2 or all(end in _OPEN for end in ends):
        raise _unusable(text)
    start = None if ends[0] in _OPEN else _bounds(ends[0], text)[0]
    end = None if ends[-1] in _OPEN else _bounds(ends[-1], text)[1]
    if start and end and start > end:
        raise _unusable(text)
    return start, end


def normal_interval(text: str) -> str:
    """An interval that the user wrote, in RFC 3339, both ends. Raises `UsageError`."""
    return interval_text(parse_interval(text))


def interval_for_server(text: str) -> str:
    """An interval that the user wrote, as a server is asked for it: RFC 3339, both ends.

    It is extended to whole seconds, since servers cut or round fractions. Raises `UsageError`.
    """
    start, end = parse_interval(text)
    if end is not None and end.microsecond:
        end = end if end > _LAST else end + (_SECOND - _fraction(end))
    return interval_text((start - _fraction(start) if start else None, end))


def interval_text(bounds: Interval) -> str:
    """Bounds as text that `parse_interval` reads as the same bounds."""
    if bounds[0] == bounds[1]:
        return _rfc3339(bounds[0])
    return f"{_rfc3339(bounds[0])}/{_rfc3339(bounds[1])}"


def parse_instant(value: object) -> datetime | None:
    """An RFC 3339 time of an item; without a zone it is UTC. None for anything else.

    A leap second (RFC 3339 section 5.7) is the last microsecond before it, which is in the same minute.
    """
    if not isinstance(value, str):
        return None
    text = _LEAP_SECOND.sub(r"\g<1>59.999999", value.strip().upper())
    text, is_end_of_day = _MIDNIGHT.subn("T00:00:00", text, count=1) if "24:00" in text else (text, 0)
    try:
        found = datetime.fromisoformat(text)
        found += timedelta(days=is_end_of_day)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError:  # the first or last day of the calendar, which means "no bound" in any zone
        return found.replace(tzinfo=UTC)
    except ValueError:
        return None


def is_within(properties: JsonObject, bounds: Interval) -> bool:
    """Whether the item's time, or its span from start_datetime to end_datetime, meets the bounds."""
    moment = parse_instant(properties.get("datetime"))
    if moment is not None and _overlaps(moment, moment, bounds):
        return True
    first = parse_instant(properties.get("start_datetime"))
    last = parse_instant(properties.get("end_datetime"))
    if first is None and last is None:
        return False
    return _overlaps(first, last, bounds)


def item_span(properties: JsonObject) -> Interval:
    """The first and the last time of an item: of its span if it has both ends of one, else its one time.

    Of an item that has neither: what there is of a span.
    """
    moment, first, last = _times(properties)
    if (first is None or last is None) and moment is not None:
        return moment, moment
    return first, last


def _times(properties: JsonObject) -> list[datetime | None]:
    names = ("datetime", "start_datetime", "end_datetime")
    return [parse_instant(properties.get(name)) for name in names]


def time_span(properties: JsonObject) -> Interval:
    """The earliest and the latest time of an item; (None, None) if it has only one end of a span."""
    moment, first, last = _times(properties)
    times = [one for one in (moment, first, last) if one is not None]
    has_both_ends = (first is None) == (last is None)
    return (min(times), max(times)) if times and has_both_ends else (None, None)


def _overlaps(first: datetime | None, last: datetime | None, bounds: Interval) -> bool:
    start, end = bounds
    ends_after_start = last is None or start is None or last >= start
    return ends_after_start and (first is None or end is None or first <= end)


def _bounds(part: str, text: str) -> tuple[datetime, datetime]:
    """First and last microsecond of a year, month or day; an instant is both. `text` is for the error."""
    date = _DATE.fullmatch(part)
    moment = parse_instant(part)
    if not date and moment:
        return moment, moment
    if not date:
        raise _unusable(text)
    year, month, day = (int(found) if found else None for found in date.groups())
    from calendar import monthrange

    try:
        start = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
        last_day = day or monthrange(start.year, month or 12)[1]
        return start, datetime(start.year, month or 12, last_day, 23, 59, 59, 999_999, tzinfo=UTC)
    except ValueError as error:
        raise _unusable(text) from error


def _fraction(moment: datetime) -> timedelta:
    return timedelta(microseconds=moment.microsecond)


def _rfc3339(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ".."


def _unusable(text: str) -> UsageError:
    return UsageError(
        f"--datetime {text!r} is neither a time nor an interval: "
        "write 2020-01-31, 2020-01-31T12:00:00Z, 2020-01/2020-06 or 2020-01-01/.."
    )
