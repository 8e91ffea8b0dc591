"""The variables of a path template that come from an asset, beside its identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...core import pattern_on_use, urls
from ...core.model import Asset

_DATE = pattern_on_use(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_DATE_GROUPS = {"year": 1, "month": 2, "day": 3}


class TemplateFields(Mapping[str, str]):
    """The file name in the href of an asset, the date of its item and the parts of that."""

    __slots__ = ("_date", "_href")

    def __init__(self, asset: Asset) -> None:
        self._href = asset.href
        self._date = asset.date

    def __getitem__(self, name: str) -> str:
        if name == "filename" and (filename := urls.filename(self._href)):
            return filename
        if name == "datetime" and self._date:
            return self._date
        date = _DATE.match(self._date)
        if name in _DATE_GROUPS and date:
            return date.group(_DATE_GROUPS[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in ("filename", "datetime", *_DATE_GROUPS) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
