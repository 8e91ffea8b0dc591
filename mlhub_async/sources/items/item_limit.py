"""Keeps a listing to `--max-items` exactly, and reports ids of `--ids` that it did not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...core.errors import TransferError
from ...core.model import Concern, Entry, Flaw, Item, Page
from ...core.options import Selection
from ...core.urls import term_safe

if TYPE_CHECKING:
    from ...storage.indexes.number_set import NumberSet

Entries = list[Entry]
"""A batch of entries. An alias, because sources have a method called `list`."""


class ItemQuota:
    """Counts the different items of one listing, of which parts may be read again. Each listing begins with a
    new one."""

    def __init__(self, selection: Selection) -> None:
        self._left = selection.max_items
        self._counted: NumberSet | None = None
        """hashes of the items, where there is a maximum"""
        self._missing = {} if _has_conditions(selection) else dict.fromkeys(selection.ids)

    @property
    def left(self) -> int | None:
        """How many more items are wanted; None for all."""
        return self._left

    @property
    def used_up(self) -> bool:
        """Whether no more items are wanted."""
        return self._left is not None and self._left <= 0

    def admit(self, entries: Iterable[Entry]) -> Entries:
        """The entries, without the items that exceed the quota. Pages say so where it is used up."""
        given = list(entries)
        items = [one for one in given if isinstance(one, Item)]
        for item in items:
            self._missing.pop(item.id, None)
        if self._left is None:
            return given
        if len(items) <= self._left:
            self._left -= self._count(items)
        else:
            given = [one for one in given if not isinstance(one, Item) or self._has_room(one)]
        if self.used_up:
            return [one._replace(is_capped=True) if isinstance(one, Page) else one for one in given]
        return given

    def missing(self, source: str) -> Entries:
        """At the end of a listing: a flaw for each id that was asked for and that `source` did not have."""
        names = () if self.used_up else map(term_safe, self._missing)
        return [
            Flaw(
                f"item {name}",
                TransferError(f"{source} has no item {name}", kind="not-found"),
                concern=Concern.SELECTION,
            )
            for name in names
        ]

    def _count(self, items: Iterable[Item]) -> int:
        """How many of the items were not counted before."""
        if self._counted is None:
            from ...storage.indexes.number_set import NumberSet

            self._counted = NumberSet()
        return len(self._counted.add([_number(one) for one in items]))

    def _has_room(self, item: Item) -> bool:
        if self._left:
            self._left -= self._count([item])
            return True
        return self._counted is not None and _number(item) in self._counted


def _number(item: Item) -> int:
    return hash((item.collection, item.id))


def _has_conditions(selection: Selection) -> bool:
    """Then an id that does not come may exist and not meet them: that is no flaw."""
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
