"""What the inventory hands out: items that are under way, and what a batch of entries came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..core.model import Item, Job, Record
from ..storage.ledger.unchanged import Confirmed


@dataclass(slots=True)
class Open:
    """An item that misses so many of its assets, and the records of those that are there.

    `known`: sha256, size and mtime_ns of its document as an earlier run wrote it.
    """

    item: Item
    path: str
    missing: int
    known: tuple[str, int, int] | None = None
    wanted: int = 0
    """how many of its assets there should be"""
    records: dict[str, Record] = field(default_factory=dict)


@dataclass(slots=True)
class Taken:
    """What a batch of entries came to: jobs to do, outcomes that need no work, and what was left out."""

    jobs: list[tuple[Job, bool]] = field(default_factory=list)
    finished: list[Open] = field(default_factory=list)
    items: int = 0
    repeated: int = 0
    filtered: int = 0
    duplicates: int = 0
    confirmed: int = 0
    """assets that need no look: nothing of their items has changed, and they are as they were left"""
    bytes: int = 0
    proofs: Counter[str] = field(default_factory=Counter)
    """of these"""
    again: int | None = None
    """how many items had come in this reading of their listing, where it is not the first one"""
    changed: int = 0
    """how many came in another version than before in this run"""

    def confirm(self, found: Confirmed, declared: int) -> None:
        """Count an item of which nothing has to be done; it declares so many assets."""
        self.items += 1
        self.confirmed += len(found.sizes)
        self.bytes += sum(found.sizes)
        self.proofs.update(found.proofs)
        self.filtered += declared - len(found.sizes)
