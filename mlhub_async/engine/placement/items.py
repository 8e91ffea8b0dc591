"""The items in progress, and what a batch of entries led to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...core.errors import MlhubError
from ...core.model import Item, Job, Record, Stored
from ...stac.write.item import stored_assets

if TYPE_CHECKING:
    from ...storage.ledger.lookups.unchanged import UnchangedItem


@dataclass(slots=True, eq=False, repr=False)
class PendingItem:
    """An item of which `missing` assets have no outcome yet, and the records of those on disk, by key.

    `document`: the record of its document as an earlier run wrote it.
    """

    item: Item
    path: str
    missing: int
    document: Record | None = None
    selected: int = 0
    """how many of its assets are selected"""
    has_links: bool = False
    """to other items"""
    unselected: Mapping[str, Record] = field(default_factory=dict)
    """on disk since an earlier run, of assets that are not selected"""
    records: dict[str, Record] = field(default_factory=dict)
    is_described: bool = True
    """no file stayed that was to be another one: each is as the catalogue describes it"""
    failed: set[str] = field(default_factory=set)
    """the keys of those that are not there, and should be"""

    @property
    def files(self) -> Mapping[str, Record]:
        """The records of all files on disk, by key."""
        return {**self.unselected, **self.records} if self.unselected else self.records

    @property
    def stored(self) -> Mapping[str, Stored]:
        """What is on disk, by asset key; a directory only if it is complete."""
        return stored_assets(self.item.body, self.files, self.failed)


@dataclass(slots=True, eq=False, repr=False)
class BatchResult:
    """What a batch of entries led to: jobs, items that are finished at once, and counts."""

    jobs: list[tuple[Job, bool]] = field(default_factory=list)
    """with each whether it is done already"""
    refused: list[tuple[Job, MlhubError]] = field(default_factory=list)
    """assets that are not fetched, and why"""
    unlisted: int = 0
    """directories whose files are not known"""
    finished: list[PendingItem] = field(default_factory=list)
    items: int = 0
    repeated: int = 0
    """items that were listed before in this run"""
    filtered: int = 0
    duplicates: int = 0
    unchanged: int = 0
    """assets of items that are as an earlier run left them: they need no job"""
    bytes: int = 0
    """of these"""
    proofs: Counter[str] = field(default_factory=Counter)
    """of these"""
    absent: int = 0
    """files of these items that need not exist, and do not exist"""
    repeated_in_pass: int | None = None
    """items that were listed before in this pass over their listing; None in the first pass"""
    changed: int = 0
    """items that are described otherwise than before in this run"""
    changed_at_first: int = 0
    """the same in the first pass, if there may be a further one"""

    def add_unchanged(self, item: UnchangedItem, declared: int) -> None:
        """Count an item that needs no job. `declared`: the assets that it has, selected or not."""
        self.items += 1
        self.unchanged += len(item.sizes)
        self.bytes += sum(item.sizes)
        for proof in item.proofs:  # for a few `update` takes ten times as long
            self.proofs[proof] += 1
        self.absent += item.absent
        self.filtered += declared - len(item.sizes) - item.absent
