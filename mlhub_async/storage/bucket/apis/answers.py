"""Reads what the answers of several object stores have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ....core import decimal_number, http_date
from ....core.errors import Transient
from ....core.formats.xml_text import plain_xml, unescaped
from ....core.ports import Answer


def text_of(answer: Answer) -> str:
    return plain_xml(answer.body.decode("utf-8-sig", "replace"))


def nothing(answer: Answer) -> None:
    """The answer has nothing to say but that the request was carried out."""


def element(text: str, name: str) -> str:
    """The content of the first element of this name, "" without one."""
    found = re.search(rf"<{name}>([^<]*)<", text)
    return unescaped(found[1]) if found else ""


def number(text: str) -> int:
    """A count in decimal digits, -1 for another text."""
    return -1 if (found := decimal_number(text)) is None else found


def etag_of(fields: Mapping[str, str]) -> str:
    """Without quotes."""
    return fields.get("etag", "").removeprefix("W/").strip('"')


def age(fields: Mapping[str, str]) -> float:
    """Seconds since Last-Modified by the clock of the store, -1.0 where that is not known."""
    now, then = (http_date(fields.get(name, "")) for name in ("date", "last-modified"))
    return -1.0 if now is None or then is None else max((now - then).total_seconds(), 0.0)


def ranged(first: int, size: int) -> dict[str, str]:
    return {"range": f"bytes={first}-{first + size - 1}"}


def require_end(text: str, end: str, what: str) -> None:
    """Raise `Transient` for a list that is cut: it would hide objects."""
    if not text.rstrip().endswith(end):
        words = f"the object store sent no list of {what}, or not the whole of it"
        raise Transient(words, kind="protocol", tries=3)
