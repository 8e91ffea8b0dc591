"""Hides where a path template finds what it asks for beyond an asset's identity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from . import urls

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_PARTS = {"year": 1, "month": 2, "day": 3}


class Fields(Mapping[str, str]):
    """The file name in an asset's href, its item's date and the parts of it. Worked out when asked."""

    __slots__ = ("_date", "_href")

    def __init__(self, href: str, date: str) -> None:
        self._href = href
        self._date = date

    def __getitem__(self, name: str) -> str:
        if name == "filename" and (found := urls.filename(self._href)):
            return found
        if name == "datetime" and self._date:
            return self._date
        day = _DAY.match(self._date)
        if name in _PARTS and day:
            return day.group(_PARTS[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in ("filename", "datetime", *_PARTS) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
