"""Asks an API for the items that were updated since a complete listing, and whether these are all changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ....core.errors import MlhubError
from ....core.model import Collection, Entry, Flaw, Item, ListingRemarks
from ....core.options import Options
from ....sources.location import Given
from ....storage.ledger.database import Statements
from ....storage.ledger.ledger import Ledger
from ....storage.ledger.lookups.carried import (
    Carried,
    Identity,
    files_of,
    last_run_before,
    relisted_files,
)
from ...connect import Deadline, open_source
from ...report.completeness import Completeness, read_source
from .memory import Files, ListingMemory, UpdateTimes, changes_since, reason_against_changes

MAX_CHANGES = 10_000
"""Items that are kept in memory; more changes are listed in full."""
RELIES_ON = (
    'the time in "updated" of an item that changes becomes later than "since"; the API counts the items of '
    "each collection right; an item that left while another one of its collection came with an earlier time "
    "is not noticed"
)
OVERLAP = timedelta(minutes=10)
"""Asked for once more: a transaction of a server may end after one that has begun later."""


class Doubt(Exception):
    """Why the listing has to be a full one, in words."""


@dataclass(slots=True)
class Changes:
    """The entries of a listing of changes, complete. `basis` is what the receipt says of it."""

    basis: Mapping[str, object]
    carried: Carried
    """what is taken over of the last complete listing"""
    pages: int = 0
    entries: list[Entry] = field(default_factory=list)
    times: UpdateTimes = field(default_factory=UpdateTimes)

    @property
    def items(self) -> list[Identity]:
        return [(one.collection, one.id) for one in self.entries if isinstance(one, Item)]


@dataclass(frozen=True, slots=True)
class ChangesReader:
    """Reads the changes of one run."""

    source: Given
    options: Options
    environ: Mapping[str, str]
    ledger: Ledger
    store: Files

    async def read(self, memory: ListingMemory) -> Changes:
        """Raises `Doubt` where a full listing might bring more, or cannot be ruled out to."""
        if not memory.newest:
            raise Doubt('SOURCE does not say how many items it has, or of each when it was "updated"')
        if reason := reason_against_changes(self.options):
            raise Doubt(reason)
        before = await check_ledger(self.ledger, self.store, memory)
        since = memory.newest_time - OVERLAP
        narrow = changes_since(since, self.options)
        try:
            listing, entries = await self._list(narrow)
            matched = {one: await self._count(one) for one in self.options.selection.collections}
        except MlhubError as error:
            raise Doubt(f"the API does not list changes: {error.message}") from None
        basis = {"kind": "changes", "since": since.isoformat(timespec="seconds"), "relies_on": RELIES_ON}
        found = Changes(basis, before, listing.pages, entries)
        found.times.add(entries)
        if found.times.lacking:
            raise Doubt(f'{found.times.lacking} changed items have no time in "updated"')
        if found.times.newest < memory.newest:
            raise Doubt('the newest item of before is not among those that the API gives by "updated"')
        relisted = await self.ledger.query(
            lambda book: relisted_files(book.database, memory.run, found.items)
        )
        listed = Counter(collection for collection, _ in found.items)
        for name, count in matched.items():
            known = before.items[name] - relisted.items[name] + listed[name]
            if count != known:
                raise Doubt(
                    f"the API has {count} items of {name}, and {known} are known with those updated since: "
                    'some have left, or came with an earlier time in "updated"'
                )
        found.carried = before.without(relisted)
        return found

    async def _list(self, options: Options) -> tuple[Completeness, list[Entry]]:
        """The items that a narrower selection has, with their collections."""
        listing = Completeness()
        kept: list[Entry] = []
        seen: set[Identity] = set()

        async def emit(entries: Sequence[Entry]) -> None:
            for one in entries:
                if isinstance(one, Flaw):
                    raise Doubt(f"a record of the changes cannot be used: {one.error.message}")
                if isinstance(one, ListingRemarks) and one.decided.get("filter") != "server":
                    raise Doubt('the API does not filter by "updated"')
                if isinstance(one, Item):
                    if (one.collection, one.id) in seen or one.followed or one.directories:
                        raise Doubt("the changes have an item twice, or items that others link to")
                    seen.add((one.collection, one.id))
                if isinstance(one, Item | Collection):
                    kept.append(one)
            if len(kept) > MAX_CHANGES:
                raise Doubt(f"more than {MAX_CHANGES} items have changed")
            listing.add_batch(entries, 0)

        async with open_source(self.source, options, self.environ, Deadline(None)) as (source, *_):
            await read_source(source, emit, listing)
        if not listing.complete or listing.linked or listing.matched not in (None, len(seen)):
            raise Doubt("the listing of changes is not complete")
        return listing, kept

    async def _count(self, collection: str) -> int:
        """How many items the API says that a collection has of the selection."""
        first = replace(self.options.selection, collections=(collection,), max_items=1, limit=1)
        listing = Completeness()

        async def emit(entries: Sequence[Entry]) -> None:
            listing.add_batch(entries, 0)

        options = replace(self.options, selection=first)
        async with open_source(self.source, options, self.environ, Deadline(None)) as (source, *_):
            await read_source(source, emit, listing)
        if listing.error is not None or listing.matched is None:
            raise Doubt("the API does not say how many items it has")
        return listing.matched


async def check_last_run(ledger: Ledger, memory: ListingMemory) -> None:
    """Raise `Doubt` where another run than that of the memory was the last one."""
    if await ledger.query(lambda book: last_run_before(book.database, book.run)) != memory.run:
        raise Doubt("another run has used DEST since the last complete listing")


async def check_ledger(ledger: Ledger, store: Files, memory: ListingMemory) -> Carried:
    """What the run of the memory listed. Raises `Doubt` where DEST is not as that run left it."""

    await check_last_run(ledger, memory)

    def compared(book: Statements) -> Carried:
        found = files_of(book.pieces, store.is_unchanged, memory.run)
        if not found.is_as_recorded:
            raise Doubt("files in DEST have changed since they were written")
        if not found.is_whole or found.items.total() != memory.items:
            raise Doubt("not all items of the last complete listing are complete in DEST")
        return found

    return await ledger.query(compared)
