"""Hides how --max-items is kept to exactly, whatever the size of the pages."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Entry, Item

Entries = list[Entry]
Names = list[str]


class Quota:
    """How many more items may be emitted; None is no limit. Begin each listing with a new one."""

    def __init__(self, left: int | None) -> None:
        self._left = left

    @property
    def used_up(self) -> bool:
        return self._left is not None and self._left <= 0

    def cut(self, entries: Iterable[Entry]) -> Entries:
        """The entries without the items that are too many."""
        return [one for one in entries if not isinstance(one, Item) or self._take()]

    def _take(self) -> bool:
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0
