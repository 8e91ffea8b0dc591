"""What ties bytes to one version of a resource: validators and ranges (RFC 9110 sections 8.8, 13, 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

_STRONG = re.compile(r'"[\x21\x23-\x7e]*"')  # beyond ASCII nobody knows which bytes to send back
_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.ASCII)


class Span(NamedTuple):
    """A Content-Range. `first` is -1 for the unsatisfied form `bytes */N`, `total` None for `/*`."""

    first: int
    last: int
    total: int | None


def validator(headers: Mapping[str, str]) -> str:
    """The value that If-Range may carry: a strong ETag, else a date that is old enough to be strong; or "".

    Section 8.8.2.2: a Last-Modified counts as strong only if it is at least a second before the Date.
    """
    etag = headers.get("etag", "").strip()
    if etag:
        return etag if _STRONG.fullmatch(etag) else ""
    modified = headers.get("last-modified", "").strip()
    try:
        age = parsedate_to_datetime(headers.get("date", "")) - parsedate_to_datetime(modified)
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
    return modified if age.total_seconds() >= 1 else ""


def repeats(headers: Mapping[str, str], known: str) -> bool | None:
    """Whether an answer is of the version that `known` is the validator of; None if it does not say."""
    now = headers.get("etag" if known.startswith('"') else "last-modified", "").strip()
    return now == known if now else None


def content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def content_range(headers: Mapping[str, str]) -> Span | None:
    """The parsed Content-Range, None where it is absent or makes no sense."""
    found = _RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None
    first, last, total = found.groups()
    span = Span(int(first or -1), int(last or -1), None if total == "*" else int(total))
    sane = span.first <= span.last and (span.total is None or span.last < span.total)
    return span if sane else None
