"""`run_with_memory`: a run whose listing is that of what has changed, where that is as good as a full one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ....core.model import Asset, CollectionListed, Entry, ListingRemarks, Page
from ....core.ports import Emit, Source
from ....core.urls import term_safe
from ....sources.location import Given, ListedVersion
from ....stac.datetimes import parse_instant
from ...destination import absolute
from ...pipeline import Run
from ...report.rates import Numbers
from ...report.receipt import Report
from .changes import Changes, ChangesReader, Doubt, check_ledger
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
MAX_REASON_CHARS = 300
SAME_VERSION = "the hub gives a commit only to the files that it names: its name is a digest of them"


@dataclass(frozen=True, slots=True)
class GivenSource:
    """A SOURCE, the environment that its addresses and keys are in, and its version if it has one."""

    source: Given
    environ: Mapping[str, str]
    version: ListedVersion


async def run_with_memory(
    run: Run,
    store: Files | None,
    given: GivenSource,
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
    remembered = RememberedListing(run, store, given)
    run.source = remembered
    save_memory(store, None)  # a run that breaks off leaves none
    report = await work()
    remembered.keep(report)
    return report


class RememberedListing:
    """The source of a run: its own, or what has changed since the last complete listing."""

    def __init__(self, run: Run, store: Files, given: GivenSource) -> None:
        self.name = run.source.name
        self._run = run
        self._inner: Source = run.source
        self._files = store
        self._store: Numbers = store
        self._key = key_of(run.report, run.options, absolute(store.root))
        self._version = given.version
        self._reader = ChangesReader(given.source, run.options, given.environ, run.ledger, store)
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
            memory = self._usable_memory()
            changes = await (self._read_version(memory) if self._version.now else self._reader.read(memory))
        except Doubt as doubt:
            self._run.report.basis = {"kind": "full", "because": term_safe(str(doubt), MAX_REASON_CHARS)}
            await self._inner.list(tracking)
            return
        self._changes = changes
        await self._take_over(changes, memory.run)
        await self._emit(changes, emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    def _usable_memory(self) -> ListingMemory:
        memory = self._memory
        if memory is None or memory.key != self._key:
            raise Doubt("there is no complete listing of before, or it was of another source or selection")
        if memory.runs >= self._run.options.full_every:
            raise Doubt(f"every {self._run.options.full_every} runs it is a full one")
        return memory

    async def _read_version(self, memory: ListingMemory) -> Changes:
        """No changes, as the content of the SOURCE is the same. Raises `Doubt` where it may not be."""
        if memory.version != self._version.now:
            raise Doubt("the last complete listing was of another version")
        before = await check_ledger(self._run.ledger, self._files, memory)
        basis = {"kind": "same-version", "relies_on": SAME_VERSION}
        return Changes(basis, before, entries=[ListingRemarks(self._version.pinned)])

    async def _take_over(self, changes: Changes, before: int) -> None:
        """Count the items that have not changed as listed by this run, which gets the number `before`."""
        items, carried = changes.items, changes.carried
        await self._run.ledger.query(lambda book: book.take_over(before, items))
        self._run_number = before
        report, meter = self._run.report, self._run.meter
        assets = sum(carried.proofs.values())
        report.add_unchanged(assets, carried.bytes, carried.proofs, carried.absent)
        report.carried = carried.items.total()
        meter.add_unchanged(assets, carried.bytes)
        report.basis = {**changes.basis, "carried": report.carried}

    async def _emit(self, changes: Changes, emit: Emit) -> None:
        """The entries, as the pages that they came on."""
        if not changes.pages:
            await emit(changes.entries)
            return
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
        times = self._times if changes is None else changes.times
        began = _began(report)
        if times.newest > began + CLOCK_ERROR // MICROSECOND:
            return  # a time that is still to come: what changes until then would have an older one
        if changes is not None and memory is not None:
            newest = max(memory.newest, min(times.newest, began))
            kept = (
                changes.carried.items.total() + len(changes.items),
                memory.runs + 1,
                newest,
                memory.version,
            )
        else:
            is_timed = not times.lacking and times.items == listing.unique
            is_steady = listing.matched == listing.unique == listing.returned
            newest = min(times.newest, began) if is_timed and is_steady else 0
            kept = (listing.unique, 1, newest, self._version.now)
        is_open = listing.linked or report.dangling or self._times.directories
        if not is_open and (newest > 0 or self._version.now):
            save_memory(self._store, ListingMemory(self._key, self._run_number, *kept))


def _began(report: Report) -> int:
    """When a run began, in microseconds since 1970: what changes later has a time that is not much older."""
    began = parse_instant(report.started)
    return 0 if began is None else (began - EPOCH) // MICROSECOND
