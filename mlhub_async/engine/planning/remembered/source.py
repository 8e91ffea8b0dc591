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
from .changes import Changes, ChangesReader, Doubt, check_last_run, check_ledger
from .documents import RememberedDocuments
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
        self._documents = _documents_of(run, given)
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
            if self._documents is not None:
                await self._list_documents(memory, self._documents, tracking)
                return
            changes = await (self._read_version(memory) if self._version.now else self._reader.read(memory))
        except Doubt as doubt:
            self._run.report.basis = {"kind": "full", "because": term_safe(str(doubt), MAX_REASON_CHARS)}
            if self._documents is not None:
                await self._documents.begin(None)
            await self._inner.list(tracking)
            return
        self._changes = changes
        await self._take_over(changes, memory.run)
        await self._emit(changes, emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    async def _list_documents(
        self, memory: ListingMemory, documents: RememberedDocuments, emit: Emit
    ) -> None:
        """List a static catalogue, but for the documents that have not changed."""
        if not memory.documents:
            raise Doubt("the documents of the last complete listing are not known")
        await check_last_run(self._run.ledger, memory)
        await documents.begin(memory.run)
        try:
            await self._inner.list(emit)
        finally:
            self._run.report.basis = documents.basis()

    def _usable_memory(self) -> ListingMemory:
        memory = self._memory
        if memory is None:
            raise Doubt(
                "there is no complete listing of before, or it has items that others link to, directories or "
                "times to come"
            )
        if memory.key != self._key:
            raise Doubt("the last complete listing was of another source, selection, DEST or set of options")
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
        """Keep what the next run needs, if this one is complete and nothing else can change what it found."""
        is_open = report.dangling or self._times.open
        if report.exit_code == 0 and not is_open and (kept := self._memory_of(report)) is not None:
            save_memory(self._store, kept)

    def _memory_of(self, report: Report) -> ListingMemory | None:
        listing, changes, memory = report.listing, self._changes, self._memory
        runs = 1 if memory is None or report.basis["kind"] == "full" else memory.runs + 1
        kept = ListingMemory(self._key, self._run_number, max(1, listing.unique + report.carried), runs)
        if self._documents is not None:
            return kept._replace(documents=1)
        times, began = self._times if changes is None else changes.times, _began(report)
        if times.newest > began + CLOCK_ERROR // MICROSECOND:
            return None  # a time that is still to come: what changes until then would have an older one
        newest = min(times.newest, began)
        if changes is not None and memory is not None:
            return kept._replace(newest=max(memory.newest, newest), version=memory.version)
        is_timed = not times.lacking and times.items == listing.unique
        is_steady = listing.matched == listing.unique == listing.returned
        return kept._replace(
            newest=max(0, newest) if is_timed and is_steady else 0, version=self._version.now
        )


def _documents_of(run: Run, given: GivenSource) -> RememberedDocuments | None:
    """None where SOURCE is no static catalogue, or its selection does not let it leave documents out."""
    if (use_conditions := given.version.use_conditions) is None:
        return None
    documents = RememberedDocuments(run)
    return documents if use_conditions(documents) else None


def _began(report: Report) -> int:
    """When a run began, in microseconds since 1970: what changes later has a time that is not much older."""
    began = parse_instant(report.started)
    return 0 if began is None else (began - EPOCH) // MICROSECOND
