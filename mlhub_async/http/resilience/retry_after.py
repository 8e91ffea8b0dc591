"""When a server wants to be asked again: Retry-After, and the header fields of rate limits.

Retry-After (RFC 9110 section 10.2.3) is a number of seconds or a date. Servers that do not send it may say
the same by `RateLimit` (draft-ietf-httpapi-ratelimit-headers), or by the fields that were used before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ...core import http_date, pattern_on_use

MILLISECONDS_FIELDS = ("retry-after-ms", "x-ms-retry-after-ms")
RESET_FIELDS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-after")
"""Seconds until requests are allowed again, or the time of that, by whoever sends it."""
REMAINING_FIELDS = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")
FIRST_UNIX_TIME = 1e9
"""A larger number is a time since 1970, not a number of seconds to wait."""
FIRST_UNIX_MILLISECONDS = 1e11
_NUMBER = pattern_on_use(r"[0-9]{1,15}(\.[0-9]{0,9})?", re.ASCII)
_PARAMETER = pattern_on_use(
    r"(?:^|[;,\s])(t|reset|r|remaining)\s*=\s*([0-9]{1,15}(?:\.[0-9]{0,9})?)", re.ASCII
)


def retry_after(fields: Mapping[str, str], *, only_if_exhausted: bool = False) -> float | None:
    """Seconds until the server wants to be asked again; None where it says nothing, or a time in the past.

    A time counts against the response's own Date, so that a wrong local clock does not matter; where the
    response has none, against the local clock. The fields of rate limits count unless they say that requests
    are left: then another limit caused the refusal. `only_if_exhausted`: they must say that none is left.
    """
    now = _now(fields)
    return _explicit(fields, now) or _of_rate_limit(fields, now, only_if_exhausted)


def _explicit(fields: Mapping[str, str], now: float) -> float | None:
    text = fields.get("retry-after", "").strip()
    if (seconds := _number(text)) is not None:
        return seconds or None
    if (until := _date(text)) is not None:
        return max(until - now, 0.0) or None
    found = (_number(fields.get(name, "").strip()) for name in MILLISECONDS_FIELDS)
    return next((milliseconds / 1000 for milliseconds in found if milliseconds), None)


def _of_rate_limit(fields: Mapping[str, str], now: float, only_if_exhausted: bool) -> float | None:
    waits = [
        seconds
        for seconds, remaining in (*_policies(fields), *_older_fields(fields, now))
        if not remaining and not (only_if_exhausted and remaining is None)
    ]
    return max(waits, default=0.0) or None


def _policies(fields: Mapping[str, str]) -> Iterator[tuple[float, float | None]]:
    """Of each policy in RateLimit: the seconds until its reset, and the requests that are left.

    `"default";r=0;t=5` is the present form of it, `limit=10, remaining=0, reset=5` one of earlier drafts.
    """
    value = fields.get("ratelimit", "").lower()
    for policy in [value] if "reset" in value else value.split(","):
        found = dict(_PARAMETER.findall(policy))
        seconds = found.get("t", found.get("reset"))
        if seconds is not None:
            left = found.get("r", found.get("remaining"))
            yield float(seconds), None if left is None else float(left)


def _older_fields(fields: Mapping[str, str], now: float) -> Iterator[tuple[float, float | None]]:
    left = [number for name in REMAINING_FIELDS if (number := _number(fields.get(name, ""))) is not None]
    for name in RESET_FIELDS:
        if (seconds := _seconds_until(fields.get(name, "").strip(), now)) is not None:
            yield seconds, min(left, default=None)


def _seconds_until(text: str, now: float) -> float | None:
    """Seconds of a number of seconds, a time since 1970 in seconds or milliseconds, or a date."""
    if (number := _number(text)) is None:
        until = _date(text)
        return None if until is None else max(until - now, 0.0)
    if number >= FIRST_UNIX_MILLISECONDS:
        number /= 1000
    return max(number - now, 0.0) if number >= FIRST_UNIX_TIME else number


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def _now(fields: Mapping[str, str]) -> float:
    now = _date(fields.get("date", ""))
    return datetime.now(UTC).timestamp() if now is None else now


def _date(text: str) -> float | None:
    """Seconds since 1970 of a date as HTTP or ISO 8601 writes it."""
    if (found := http_date(text)) is None:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
