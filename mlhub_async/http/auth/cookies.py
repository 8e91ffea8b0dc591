"""Cookies (RFC 6265) in memory: each is sent only to the origin that set it. Nothing stores them.

The attribute Domain is ignored, so that a cookie is never for another host than the one that set it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from ...core import http_date, pattern_on_use
from ...core.model import LINE_SEPARATOR
from ...core.secret import Secret
from ...core.urls import Origin

MAX_COOKIE_CHARACTERS = 4096
MAX_COOKIES = 50
"""Per origin, as browsers do. Further ones are ignored."""
_NAME = pattern_on_use(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = pattern_on_use(r"[\x21-\x3a\x3c-\x7e]*(?: +[\x21-\x3a\x3c-\x7e]+)*")
_SECONDS = pattern_on_use(r"-?[0-9]{1,10}")

Key = tuple[str, str]
"""Name and path of a cookie."""


class Cookie(NamedTuple):
    """`expires`: seconds since the epoch, None for the end of the run. In the past: it was deleted."""

    name: str
    value: Secret
    path: str
    expires: float | None


class CookieJar:
    """The cookies of a run, or of one redirect chain."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._by_origin: dict[Origin, dict[Key, Cookie]] = {}

    def store(self, origin: Origin, url: str, lines: str) -> bool:
        """Take the Set-Cookie lines of a response from `url`. False if none of them is valid."""
        found = [
            cookie for line in lines.split(LINE_SEPARATOR) if (cookie := self._parsed(line, origin, url))
        ]
        if found:
            known = self._by_origin.setdefault(origin, {})
            for cookie in found:
                if (cookie.name, cookie.path) in known or len(known) < MAX_COOKIES:
                    known[cookie.name, cookie.path] = cookie
        return bool(found)

    def _parsed(self, line: str, origin: Origin, url: str) -> Cookie | None:
        pair, *attributes = line.split(";")
        name, equals, value = (part.strip(" \t") for part in pair.partition("="))
        is_valid = equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value)
        if not is_valid or len(pair) > MAX_COOKIE_CHARACTERS:
            return None
        said = {key.strip().lower(): text.strip() for key, _, text in (a.partition("=") for a in attributes)}
        if origin.scheme != "https" and ("secure" in said or name.startswith(("__Secure-", "__Host-"))):
            return None
        path = said.get("path", "")
        return Cookie(name, Secret(value), path if path[:1] == "/" else _folder(url), self._expiry(said))

    def _expiry(self, said: dict[str, str]) -> float | None:
        """Max-Age counts before Expires. One that is not understood is ignored."""
        if _SECONDS.fullmatch(said.get("max-age", "")):
            return self._clock() + int(said["max-age"]) if int(said["max-age"]) > 0 else 0.0
        found = http_date(said.get("expires", ""))
        return None if found is None else found.timestamp()

    def matching(self, origin: Origin, url: str) -> dict[Key, Cookie]:
        """The cookies for a request, also those that were deleted."""
        known = self._by_origin.get(origin)
        return {key: one for key, one in known.items() if _covers(one.path, url)} if known else {}

    def field(self, matching: dict[Key, Cookie]) -> str:
        """The Cookie field, "" without any. Cookies with longer paths come first."""
        now = self._clock()
        valid = [one for one in matching.values() if one.expires is None or one.expires > now]
        valid.sort(key=lambda one: -len(one.path))
        return "; ".join(f"{one.name}={one.value.reveal()}" for one in valid)

    def update(self, other: CookieJar) -> None:
        """Take over the cookies of a redirect chain, and forget what it deleted."""
        now = self._clock()
        for origin, cookies in other._by_origin.items():
            known = self._by_origin.setdefault(origin, {})
            for key, cookie in cookies.items():
                if cookie.expires is not None and cookie.expires <= now:
                    known.pop(key, None)
                elif key in known or len(known) < MAX_COOKIES:
                    known[key] = cookie


def _path(url: str) -> str:
    return urlsplit(url).path or "/"


def _folder(url: str) -> str:
    """The default path of a cookie (RFC 6265 section 5.1.4)."""
    return _path(url).rpartition("/")[0] or "/"


def _covers(path: str, url: str) -> bool:
    """Whether a cookie of this path is for the URL (RFC 6265 section 5.1.4)."""
    asked = _path(url)
    return asked == path or asked.startswith(path if path.endswith("/") else f"{path}/")
