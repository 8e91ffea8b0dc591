"""Hides how --max-items is kept to exactly, and that an id that was asked for by name has to turn up."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.errors import TransferError
from ..core.model import Entry, Flaw, Item
from ..core.options import Selection
from ..core.urls import term_safe

Entries = list[Entry]
Names = list[str]


class ItemQuota:
    """What one listing has let through. Begin each listing with a new one."""

    def __init__(self, selection: Selection) -> None:
        self._left = selection.max_items
        self._missing = {} if _has_conditions(selection) else dict.fromkeys(selection.ids)

    @property
    def used_up(self) -> bool:
        return self._left is not None and self._left <= 0

    def cut(self, entries: Iterable[Entry]) -> Entries:
        """The entries without the items that are too many."""
        return [one for one in entries if not isinstance(one, Item) or self._take(one)]

    def missing(self, where: str) -> Entries:
        """At the end of a listing: a flaw for each id that was asked for and is not there."""
        names = () if self.used_up else map(term_safe, self._missing)
        return [
            Flaw(f"item {name}", TransferError(f"{where} has no item {name}", kind="not-found"))
            for name in names
        ]

    def _take(self, item: Item) -> bool:
        self._missing.pop(item.id, None)
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0


def _has_conditions(selection: Selection) -> bool:
    """Then an id that does not turn up may just not meet them."""
    return any(
        value is not None
        for value in (
            selection.bbox,
            selection.datetime,
            selection.intersects,
            selection.query,
            selection.filter,
            selection.classes or None,
        )
    )
