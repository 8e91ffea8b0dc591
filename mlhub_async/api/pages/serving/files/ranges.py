"""The Range field: which bytes of a file of known size it asks for (RFC 9110, 14)."""

from __future__ import annotations

import re

from .....core import MAX_DIGITS, pattern_on_use

MAX_RANGES = 32
"""A request for more parts gets the whole file."""
_RANGES = pattern_on_use(r"bytes=\s*(\d*-\d*(?:\s*+,\s*+(?:\d*-\d*)?)*+)\s*", re.IGNORECASE | re.ASCII)


def requested(field: str | None, size: int) -> list[range] | None:
    """The ranges that exist, in the order of the request. None: the field is to be ignored, send everything.

    []: none of them can be satisfied. Ranges that overlap too much, or are too many, are ignored too
    (RFC 9110, 14.2).
    """
    found = _RANGES.fullmatch(field.strip()) if field is not None else None
    if found is None:
        return None
    asked = [part.strip() for part in found[1].split(",") if part.strip()]
    parsed = [_range(part, size) for part in asked]
    if None in parsed or len(parsed) > MAX_RANGES:
        return None
    spans = [span for span in parsed if span]
    return None if len(spans) > 1 and sum(map(len, spans)) > size else spans


def _range(text: str, size: int) -> range | None:
    """One range, empty where it is unsatisfiable; None where it is not valid."""
    first, last = [_number(one) for one in text.split("-")]
    if first is None:
        return None if last is None else range(max(0, size - last), size)
    if last is not None and _is_less(text):
        return None
    end = size if last is None else min(last + 1, size)
    return range(first, max(first, end))


def _number(digits: str) -> int | None:
    """The number; one that is beyond every file is the largest of `MAX_DIGITS`. None for no digits."""
    significant = digits.lstrip("0")[: MAX_DIGITS + 1]
    if len(significant) > MAX_DIGITS:
        return int("9" * MAX_DIGITS)
    return int(significant or "0") if digits else None


def _is_less(text: str) -> bool:
    """Whether the last position is before the first: such a range is not valid."""
    first, last = [one.lstrip("0") for one in text.split("-")]
    return (len(last), last) < (len(first), first)


def content_range(span: range, size: int) -> str:
    """The value of Content-Range for these bytes."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"
