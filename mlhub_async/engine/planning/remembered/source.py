"""`run_with_memory`: a run whose listing is that of what has changed, where that is as good as a full one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from ....core.model import Asset, CollectionListed, Entry, Page
from ....core.ports import Emit, Source
from ....core.urls import term_safe
from ....sources.location import Given
from ....stac.datetimes import parse_instant
from ....storage.ledger.database import Statements
from ....storage.ledger.lookups.carried import Carried, carry_over
from ...destination import absolute
from ...pipeline import Run
from ...report.rates import Numbers
from ...report.receipt import Report
from .changes import Changes, ChangesReader, Doubt
from .memory import (
    EPOCH,
    MICROSECOND,
    Files,
    ListingMemory,
    UpdateTimes,
    key_of,
    load_memory,
    reason_against,
    save_memory,
)

CLOCK_ERROR = timedelta(hours=1)
"""By which the clock of a server, or of this machine, may be wrong."""
RELIES_ON = (
    'the API changes "updated" with every change of an item, and says the right number of items; an item '
    "that left while another one came with an old time is not noticed"
)


async def run_with_memory(
    run: Run,
    store: Files | None,
    source: Given,
    environ: Mapping[str, str],
    work: Callable[[], Awaitable[Report]],
    *,
    observed: bool,
) -> Report:
    """Let the run list changes only where the last complete listing and the API allow it; keep a memory of
    this one. `store` None: DEST is a bucket. `observed`: somebody waits for every item, so all are listed."""
    reason = "each item is waited for" if observed else reason_against(run.options)
    if reason or store is None:
        run.report.basis = {"kind": "full", "because": reason or "DEST is a bucket"}
        return await work()
    remembered = RememberedListing(run, store, source, environ)
    run.source = remembered
    save_memory(store, None)  # a run that breaks off leaves none
    report = await work()
    remembered.keep(report)
    return report


class RememberedListing:
    """The source of a run: its own, or the changes since the last complete listing."""

    def __init__(self, run: Run, store: Files, source: Given, environ: Mapping[str, str]) -> None:
        self.name = run.source.name
        self._run = run
        self._inner: Source = run.source
        self._store: Numbers = store
        self._key = key_of(run.report, run.options, absolute(store.root))
        self._reader = ChangesReader(source, run.options, environ, run.ledger, store)
        self._memory = load_memory(store)
        self._times = UpdateTimes()
        self._changes: Changes | None = None
        self._run_number = 0

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        async def tracking(entries: Sequence[Entry]) -> None:
            self._times.add(entries)
            await emit(entries)

        if only:
            await self._inner.list(tracking, only)
            return
        self._run_number = await self._run.ledger.query(lambda book: book.run)
        try:
            self._changes = await self._reader.read(self._usable_memory())
        except Doubt as doubt:
            self._run.report.basis = {"kind": "full", "because": term_safe(str(doubt))}
            await self._inner.list(tracking)
            return
        await self._take_over(self._changes)
        await self._emit(self._changes, emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    def _usable_memory(self) -> ListingMemory:
        memory = self._memory
        if memory is None or memory.key != self._key:
            raise Doubt("there is no complete listing of before, or it was of another source or selection")
        if memory.runs >= self._run.options.full_every:
            raise Doubt(f"every {self._run.options.full_every} runs it is a full one")
        return memory

    async def _take_over(self, changes: Changes) -> None:
        """Count the items that have not changed, and mark them in the ledger as listed by this run."""
        items = changes.items
        run_number = self._run_number

        def mark(book: Statements) -> Carried:
            with book.transaction():
                return carry_over(book.database, changes.before, run_number, items)

        carried = await self._run.ledger.query(mark)
        report, meter = self._run.report, self._run.meter
        assets = sum(carried.proofs.values())
        report.add_unchanged(assets, carried.bytes, carried.proofs, carried.absent)
        report.carried = carried.items
        meter.add_unchanged(assets, carried.bytes)
        report.basis = {
            "kind": "changes",
            "since": changes.since,
            "carried": carried.items,
            "relies_on": RELIES_ON,
        }

    async def _emit(self, changes: Changes, emit: Emit) -> None:
        """The entries, as the pages that they came on."""
        items = len(changes.items)
        listed = sorted({one for one in self._run.options.selection.collections})
        await emit([Page(items, "changes", items, is_last=True), *changes.entries])
        for _ in range(changes.pages - 1):
            await emit([Page()])
        await emit([CollectionListed(name) for name in listed])

    def keep(self, report: Report) -> None:
        """Keep what the next run needs, if this one is complete."""
        listing, changes, memory = report.listing, self._changes, self._memory
        if report.exit_code != 0:
            return
        if max(self._times.newest, changes.times.newest if changes else 0) > _ends_of_clocks(report):
            return  # a time that is still to come: what changes until then would have an older one
        if changes is not None and memory is not None:
            newest = max(memory.newest, changes.times.newest)
            found = ListingMemory(self._key, self._run_number, changes.matched, newest, memory.runs + 1)
            save_memory(self._store, found)
            return
        times = self._times
        steady = listing.matched == listing.unique == listing.returned and not listing.linked
        if steady and not times.lacking and times.items == listing.unique and times.newest > 0:
            save_memory(
                self._store, ListingMemory(self._key, self._run_number, listing.unique, times.newest, 1)
            )


def _ends_of_clocks(report: Report) -> int:
    """The latest time, in microseconds since 1970, that a clock which is right may have shown to this run."""
    began = parse_instant(report.started)
    return 0 if began is None else (began + CLOCK_ERROR - EPOCH) // MICROSECOND
