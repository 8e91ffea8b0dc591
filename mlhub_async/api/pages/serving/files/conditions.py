"""Validators of a file, and what the conditions of a request decide (RFC 9110, 13)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from .....core import http_date as read_date
from .....core import pattern_on_use
from .....core.model import FileState

SETTLED_SECONDS = 2.0
"""A file that was written so long ago has another mtime when it is written again."""
_TAGS = pattern_on_use(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Validators:
    """The entity tag of a file, weak if it starts with W/, and its time in whole seconds since 1970."""

    etag: str
    modified: int

    @property
    def is_strong(self) -> bool:
        return not self.etag.startswith("W/")


def validators_of(state: FileState, sha256: str, now: float) -> Validators:
    """The digest is the tag where it is known, else size and mtime, weak while the file is new."""
    modified = min(state.mtime_ns // 1_000_000_000, int(now))
    if sha256:
        return Validators(f'"{sha256}"', modified)
    weak = "" if now - state.mtime_ns / 1e9 > SETTLED_SECONDS else "W/"
    return Validators(f'{weak}"{state.mtime_ns:x}-{state.size:x}"', modified)


def refused_status(headers: Mapping[str, str], current: Validators) -> int | None:
    """412 or 304 if a condition says so, None if the request is to be answered (RFC 9110, 13.2.2)."""
    if (if_match := headers.get("If-Match")) is not None:
        if not _matches(if_match, current, strong=True):
            return 412
    elif (since := http_time(headers.get("If-Unmodified-Since"))) is not None and current.modified > since:
        return 412
    if (if_none_match := headers.get("If-None-Match")) is not None:
        return 304 if _matches(if_none_match, current, strong=False) else None
    since = http_time(headers.get("If-Modified-Since"))
    return 304 if since is not None and current.modified <= since else None


def range_applies(headers: Mapping[str, str], current: Validators) -> bool:
    """Whether If-Range lets the Range count: an equal strong tag, or the exact time (RFC 9110, 13.1.5)."""
    condition = headers.get("If-Range")
    if condition is None:
        return True
    condition = condition.strip()
    if condition.startswith(('"', "W/")):
        return current.is_strong and condition == current.etag
    return current.is_strong and http_time(condition) == current.modified


def _matches(field: str, current: Validators, *, strong: bool) -> bool:
    if field.strip() == "*":
        return True
    tags = _TAGS.findall(field)
    if strong:
        return current.is_strong and ("", current.etag) in tags
    return current.etag.removeprefix("W/") in {tag for _, tag in tags}


def http_time(text: str | None) -> int | None:
    """Seconds since 1970 of an HTTP date; None for one that is absent or none (it is then ignored)."""
    found = None if text is None else read_date(text)
    return None if found is None else int(found.timestamp())


def http_date(seconds: float) -> str:
    """An HTTP date (RFC 9110, 5.6.7), the same in every locale."""
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)


def now() -> float:
    return time.time()
