"""How a catalogue was read: what its listings announced and gave, read again while they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import CatalogError, MlhubError, SourceError
from ...core.model import (
    CollectionListed,
    Entry,
    Item,
    ListingRemarks,
    ListingRestarted,
    ListingTotal,
    Page,
)
from ...core.options import Selection
from ...core.ports import Emit, Source

SWEEPS = 3
"""How often a listing is read at most, if it changes while it is read."""
KEPT_REASONS = 20


@dataclass(slots=True)
class Pass:
    """One listing as it was read once, from its first page to its last."""

    returned: int = 0
    """records on its pages, whatever became of them"""
    items: int = 0
    repeated: int = 0
    """items that had come on its pages before"""
    known: int = 0
    """items that came in this or an earlier reading of it"""
    least: int | None = None
    most: int | None = None
    """the totals that its pages announced"""
    mark: int = 0
    """the same for two readings with the same items, in whatever order"""
    slice_of: str = ""
    """the listing that this is a slice of, if it is one"""
    shared: int = 0
    """items that other slices of it had brought before"""
    repeatable: bool = False
    """the source can read it again"""

    def add(self, page: Page, items: Sequence[Item]) -> None:
        self.returned += page.returned
        self.repeatable |= page.repeatable
        self.items += len(items)
        self.mark += sum(hash((item.collection, item.id)) for item in items)
        if page.matched is not None:
            self.least = min(page.matched, page.matched if self.least is None else self.least)
            self.most = max(page.matched, self.most or 0)

    @property
    def short(self) -> bool:
        return self.most is not None and self.returned - self.repeated < self.most

    @property
    def steady(self) -> bool:
        """Nothing about it says that it changed while it was read."""
        return not self.repeated and self.least == self.most and not self.short


@dataclass(slots=True)
class Completeness:
    """Everything that a source was read for. `complete` only if it ended and gave what it announced."""

    pages: int = 0
    seen: int = 0
    """items that came; what comes again because a listing is read again is not counted again"""
    unique: int = 0
    linked: int = 0
    """of these, the ones that came by a link of their own and on no page"""
    changed: int = 0
    """items that came in another version when their listing was read again"""
    sweeps: int = 1
    ended: bool = False
    capped: bool = False
    error: MlhubError | None = None
    repeatable: bool = False
    """some listing of the source can be read again"""
    followed: bool = False
    """items came by links too: then an item that was seen before need not be a repeated one"""
    whole: set[str] = field(default_factory=set)
    """the collections that were listed to their end"""
    readings: dict[str, Pass] = field(default_factory=dict)
    """the latest of each listing"""
    before: dict[str, Pass] = field(default_factory=dict)
    """of the listings that were read again, the reading before that"""
    totals: dict[str, int] = field(default_factory=dict)
    """how many items the listings have that were read in slices"""
    remarks: ListingRemarks = field(default_factory=ListingRemarks)
    """what the source reports about the way in which it was listed"""

    @classmethod
    def of(cls, selection: Selection) -> Completeness:
        """What is to be expected of a listing for it, before any is read."""
        return cls(capped=selection.max_items is not None)

    def note(self, entries: Sequence[Entry], claimed: int, again: int | None = None) -> None:
        """Count a batch, of which `claimed` items had been listed before in this run.

        `again`: how many of them had come in this very reading, where that is known by itself.
        """
        items = [one for one in entries if isinstance(one, Item)]
        page = _page_of(entries)
        for one in entries:
            self._note_listing(one)
        self.unique += len(items) - claimed
        self.seen += len(items) - (0 if again is None else claimed)
        if page is None:
            self.followed |= bool(items)
            self.linked += len(items) - claimed
            return
        self.pages += 1
        self.repeatable |= page.repeatable
        reading = self.readings.setdefault(page.listing, Pass(slice_of=page.slice_of))
        reading.add(page, items)
        reading.repeated += claimed if again is None else again
        reading.known += len(items) - claimed
        if page.slice_of and again is not None and page.listing not in self.before:
            reading.shared += claimed - again
            reading.known += claimed - again

    def _note_listing(self, entry: Entry) -> None:
        if isinstance(entry, CollectionListed):
            self.whole.add(entry.collection)
        elif isinstance(entry, ListingTotal):
            self.totals[entry.listing] = entry.matched
        elif isinstance(entry, ListingRestarted):
            self._drop_slices(entry.listing)
        elif isinstance(entry, ListingRemarks):
            self.remarks = entry

    def _drop_slices(self, listing: str) -> None:
        """What the slices gave counts as one earlier reading of the whole, which is read after them."""
        slices = [name for name, one in self.readings.items() if one.slice_of == listing]
        if slices:
            known = sum(self.readings[name].known - self.readings[name].shared for name in slices)
            for name in slices:
                del self.readings[name]
            self.before[listing] = Pass(known=known)
            self.readings[listing] = Pass(known=known)

    def may_repeat(self, entries: Sequence[Entry]) -> bool:
        """Whether the items of a batch may come once more, because their listing can be read again.

        A batch without a page may belong to any listing of the source.
        """
        page = _page_of(entries)
        return self.repeatable if page is None else page.repeatable

    def rereading(self, entries: Sequence[Entry]) -> str | None:
        """A name for this reading of the listing that the batch is a page of; None in the first one."""
        page = _page_of(entries)
        again = page is not None and (page.slice_of or page.listing in self.before)
        return f"{self.sweeps} {page.listing}" if page is not None and again else None

    def unsteady(self) -> list[str]:
        """The listings to read again: those that changed while read, and differed when read twice."""
        names = [] if self.capped else [name for name, one in self.readings.items() if one.repeatable]
        return [name for name in names if not self._settled(name)]

    def begin_again(self, names: Sequence[str]) -> None:
        self.sweeps += 1
        for name in names:
            self.before[name] = self.readings[name]
            earlier = self.before[name]
            self.readings[name] = Pass(
                known=earlier.known, slice_of=earlier.slice_of, shared=earlier.shared, repeatable=True
            )

    def _settled(self, name: str) -> bool:
        now, before = self._reading(name), self.before.get(name)
        return now.steady or (before is not None and before.mark == now.mark)

    def _reading(self, name: str) -> Pass:
        """Of a first reading it is only known whether items are new to the run."""
        reading = self.readings[name]
        if self.followed and name not in self.before and not reading.slice_of:
            return Pass(reading.returned, reading.items, 0, 0, reading.least, reading.most, reading.mark)
        return reading

    @property
    def matched(self) -> int | None:
        whole = (one for one in self.readings.values() if not one.slice_of)
        totals = [one.most for one in whole if one.most is not None]
        totals += self.totals.values()
        return sum(totals) if totals else None

    @property
    def vanished(self) -> int:
        """Items that were there when a listing was read first, and not the last time."""
        return sum(
            max(0, self.readings[name].known - self.readings[name].items + self.readings[name].repeated)
            for name in self.before
        )

    @property
    def complete(self) -> bool:
        return next(self._reasons(), None) is None

    @property
    def reasons(self) -> list[str]:
        """Why it is not complete; none if it is."""
        found = list(self._reasons())
        more = [f"and {len(found) - KEPT_REASONS} more"] if len(found) > KEPT_REASONS else []
        return found[:KEPT_REASONS] + more

    def _reasons(self) -> Iterator[str]:
        if self.error is not None:
            kind = "" if self.error.kind == CatalogError.kind else f" ({self.error.kind})"
            yield f"it broke off{kind}: {self.error.message}"
        elif not self.ended:
            yield "the run ended before it did"
        for name in () if self.capped else self.readings:
            reading, shown = self._reading(name), name or "the source"
            if reading.short:
                yield f"{shown} announced {reading.most} items and gave {reading.returned - reading.repeated}"
            elif not self._settled(name) and (name in self.before or reading.least != reading.most):
                yield f"{shown} changed while it was read, {self.sweeps} times"
        if self.changed:
            yield f"{self.changed} items were changed while it was read: run again for the new ones"

    def receipt(self) -> dict[str, Any]:
        """Every record of the pages is accounted for: where no links were followed,
        unique = returned - left_out - repeated + vanished + linked."""
        readings = self.readings.values()
        return {
            "complete": self.complete,
            "reasons": self.reasons,
            "pages": self.pages,
            "matched": self.matched,
            "seen": self.seen,
            "unique": self.unique,
            "returned": sum(one.returned for one in readings),
            "left_out": sum(one.returned - one.items for one in readings),
            "repeated": sum(one.repeated + one.shared for one in readings),
            "linked": self.linked,
            "sweeps": self.sweeps,
            "vanished": self.vanished,
            "changed": self.changed,
            **self.remarks.receipt,
        }


async def read(source: Source, emit: Emit, listing: Completeness) -> None:
    """Read a source, and again those of its listings that changed meanwhile, until they come out the same.

    A listing that breaks off is noted in `listing`.
    """
    try:
        await source.list(emit)
        while listing.sweeps < SWEEPS and (names := listing.unsteady()):
            listing.begin_again(names)
            await _read_again(source, emit, names)
        listing.ended = True
    except CatalogError as error:
        listing.error = error


async def _read_again(source: Source, emit: Emit, names: Sequence[str]) -> None:
    """The source was usable before: whatever is wrong with it now, the listing broke off."""
    try:
        await source.list(emit, names)
    except SourceError as error:
        raise CatalogError(f"the listing could not be read again: {error.message}") from error


def _page_of(entries: Sequence[Entry]) -> Page | None:
    return next((one for one in entries if isinstance(one, Page)), None)
