"""What ties bytes to one version of a resource: validators and ranges (RFC 9110 sections 8.8, 13, 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..core import decimal_number, http_date, pattern_on_use

if TYPE_CHECKING:
    from datetime import datetime

# Beyond ASCII it is not certain which bytes must be sent back.
_is_strong_etag = re.compile(r'"[\x21\x23-\x7e]*"').fullmatch
# A digest of 128 bits or more, not sizes and times joined by dashes.
_is_digest_etag = re.compile(r'(?:W/)?"[^"-]{32,}"').fullmatch
_may_stand_for_no_time = re.compile(r"19[78]\d|-[78]\d |2000|20[3-9]\d").search
_USUAL_DECADES = frozenset({"201", "202"})
"""How the year of nearly every Last-Modified begins: `_may_stand_for_no_time` matches none of these."""
END_OF_1980_01_01 = 315_705_600
"""In any zone, in seconds since 1970: files of images and packages that are built reproducibly have 0, 1 or
1980-01-01 (the first day of FAT and ZIP) in place of a time."""
CONSTANT_TIMES = frozenset({499_162_500, 946_684_800})
"""What `npm pack` (1985-10-26T08:15:00Z) and `pkg_tar` of Bazel (2000-01-01T00:00:00Z) write as the time of
every file, in seconds since 1970."""
A_DAY = 86_400
FRESH_SECONDS = 60
_has_zone = re.compile(r" (?:[A-Z]{1,5}|[+-]\d{4})$").search
_content_range = pattern_on_use(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.ASCII)


class ContentRange(NamedTuple):
    """A Content-Range. `first` is -1 for the unsatisfied form `bytes */N`, `total` None for `/*`."""

    first: int
    last: int
    total: int | None


def strong_validator(headers: Mapping[str, str]) -> str:
    """The value that If-Range may carry: a strong ETag, else a Last-Modified that counts as strong, else "".

    RFC 9110 section 8.8.2.2: a Last-Modified is strong only if it is at least a second before the Date.
    "" also where `is_constant` or `is_of_this_second` says so.
    """
    etag = headers.get("etag", "").strip()
    if etag:
        modified, answered = headers.get("last-modified", ""), headers.get("date", "")
        # Both are asked only where they can be true: this is on the way of every file.
        doubtful = (modified[12:15] not in _USUAL_DECADES and is_constant(headers)) or (
            modified >= answered and modified[:16] == answered[:16] and is_of_this_second(headers)
        )
        return etag if _is_strong_etag(etag) and not doubtful else ""
    return headers["last-modified"].strip() if _strong_date(headers) is not None else ""


def _strong_date(headers: Mapping[str, str]) -> datetime | None:
    """The Last-Modified; None where it is absent or no date, or may be that of the answer."""
    modified = headers.get("last-modified", "").strip()
    if not _has_zone(modified) or (found := http_date(modified)) is None or is_constant(headers):
        return None  # without a zone it may be a local time, which looks older than it is
    answered = http_date(headers.get("date", ""))
    return found if answered is not None and (answered - found).total_seconds() >= 1 else None


def is_constant(headers: Mapping[str, str]) -> bool:
    """Whether the validators of a response are those of every file of its size.

    Its Last-Modified is what tools write where they want no time in what they build (or it is more than a day
    ahead of the Date), and its ETag, if it has one, is no digest: nginx, Apache, lighttpd and Caddy make
    theirs of time and size. Such a file may be replaced by another one with the same validators.
    """
    modified = headers.get("last-modified", "")
    if not _may_stand_for_no_time(modified) or _is_digest_etag(headers.get("etag", "").strip()):
        return False
    if (found := http_date(modified)) is None:
        return False
    seconds, answered = found.timestamp(), http_date(headers.get("date", ""))
    if answered is not None and seconds > answered.timestamp() + A_DAY:
        return True
    return seconds < END_OF_1980_01_01 or seconds in CONSTANT_TIMES


def is_of_this_second(headers: Mapping[str, str]) -> bool:
    """Whether a resource may be replaced without a sign of it in its validators: its Last-Modified is in the
    second of the Date, or later that day, and its ETag, if it has one, is no digest.

    Within that second it may be replaced once more, and an ETag that is made of the size and the second
    (nginx, Caddy, WsgiDAV) stays the same. Apache calls its ETag weak then.
    """
    modified, answered = headers.get("last-modified", ""), headers.get("date", "")
    # Compared as text: dates of one form that begin with the same day.
    if not modified or modified[:16] != answered[:16] or modified < answered:
        return False
    return not _is_digest_etag(headers.get("etag", "").strip())


def is_fresh(headers: Mapping[str, str]) -> bool:
    """Whether the Last-Modified of a response is at most a minute before its Date: a file that is just being
    written is sent with the length that it has so far."""
    modified, answered = headers.get("last-modified", ""), headers.get("date", "")
    # Dates of the usual form are compared as text first: the same day, or the first minute of one.
    if not modified or (modified[:16] != answered[:16] and answered[17:22] != "00:00"):
        return False
    return _is_within_a_minute(modified, answered)


@lru_cache(256)
def _is_within_a_minute(modified: str, answered: str) -> bool:
    last, now = http_date(modified), http_date(answered)
    return last is not None and now is not None and abs((now - last).total_seconds()) <= FRESH_SECONDS


def modified_at(headers: Mapping[str, str]) -> float:
    """The Last-Modified of a response in seconds since 1970, 0 where it has none that counts as strong."""
    found = _strong_date(headers)
    return found.timestamp() if found is not None else 0


def is_later(headers: Mapping[str, str], known: float) -> bool:
    """Whether the resource of a response was modified after `known`, in seconds since 1970; 0: unknown.

    Then an ETag that is still the known one is not believed: a server that keeps those it has computed sends
    them for files that were replaced (static files of Tornado).
    """
    return known > 0 and modified_at(headers) > known


def is_webdav_etag(etag: str, size: int) -> bool:
    """Whether an ETag is the time in nanoseconds and the size, in hexadecimal digits without a sign between.

    The WebDAV handler of Go's x/net makes it of what the file system says, and rclone's file system may say
    once what it knew of the file before. A digest of 128 bits or more has more digits.
    """
    return re.fullmatch(rf'"[0-9a-f]{{16}}{size:x}"', etag) is not None


def has_validator(headers: Mapping[str, str], known: str) -> bool | None:
    """Whether a response has the validator `known`, so is of that version; None if it has none to compare.

    False where `is_constant` says that validators tell nothing.
    """
    if is_constant(headers):
        return False
    present = headers.get("etag" if known.startswith('"') else "last-modified", "").strip()
    return present == known if present else None


def content_length(headers: Mapping[str, str]) -> int | None:
    """The parsed Content-Length in bytes, None where it is absent or no number."""
    return decimal_number(headers.get("content-length", "").strip())


def content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """The parsed Content-Range, None where it is absent or contradicts itself."""
    found = _content_range.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None
    first, last, total = found.groups()
    parsed = ContentRange(int(first or -1), int(last or -1), None if total == "*" else int(total))
    consistent = parsed.first <= parsed.last and (parsed.total is None or parsed.last < parsed.total)
    return parsed if consistent else None


def is_whole(headers: Mapping[str, str]) -> bool:
    """Whether an answer to a request without a range carries the whole, by its Content-Range if it has one.

    A cache may send the part that it has, as 206 and as 200 (RFC 9110 section 14.4 gives the field no meaning
    there). One that leaves the total out does not say that it is the whole.
    """
    if "content-range" not in headers:
        return True
    span, length = content_range(headers), content_length(headers)
    size = span.last + 1 if span is not None else None
    return span is not None and span.first == 0 and span.total == size and length in (None, size)
