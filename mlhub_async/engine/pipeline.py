"""The pipeline of a mirror: `pump` lists and transfers; `Run` counts, records and reports what happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..core.errors import TooManyErrors, error_json
from ..core.json_text import loads
from ..core.model import Collection, Entry, Flaw, Item, Outcome, Page, Status
from ..core.options import Options
from ..core.telemetry import Events, Meter
from ..core.urls import redacted
from ..storage.ledger.database import Statements
from ..storage.ledger.ledger import Ledger
from .inventory import Inventory
from .placement.items import BatchResult, PendingItem
from .report.completeness import read_source
from .report.receipt import Report

if TYPE_CHECKING:
    from ..core.ports import DocumentStore, Executor, Place, Settled, Source, Submit
    from .placement.shards import Share


async def pump(run: Run) -> None:
    """List and transfer at the same time: entries become jobs, jobs outcomes, outcomes finished items."""

    async def produce(submit: Submit) -> None:
        async def emit(entries: Sequence[Entry]) -> None:
            batch = await run.claim(entries)
            for item in batch.finished:
                await run.each(item)
            for job, error in batch.refused:
                await run.settle([(Outcome(job, Status.FAILED, error=error), redacted(job.asset.href))])
            for job, done in batch.jobs:
                if done:
                    status = Status.ABSENT if job.previous is None else Status.SKIPPED
                    await run.count([Outcome(job, status, job.previous)])
                else:
                    await submit(job)

        await read_source(run.source, emit, run.report.listing)
        run.meter.listing_ended = True
        run.report_listing_error()

    await run.executor.run(produce, run.settle)


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """One mirror: its parts, and what is done with every entry of the listing and every outcome of a job."""

    source: Source
    executor: Executor
    store: DocumentStore
    ledger: Ledger
    inventory: Inventory
    options: Options
    report: Report
    meter: Meter
    events: Events
    each: Callable[[PendingItem], Awaitable[None]]
    share: Share | None = None
    """with --shard: which items are of this run"""

    async def claim(self, entries: Sequence[Entry]) -> BatchResult:
        """Count a batch of entries, claim its assets in the ledger and make jobs of them."""
        if any(map(_changes_files, entries)):
            self.store.remove_receipt()
        self._report_entries(entries)
        owners = [entry for entry in entries if isinstance(entry, Item | Collection)]
        listing = self.report.listing
        pass_name, is_final = listing.pass_name(entries), not listing.may_repeat(entries)
        own, repeated, in_pass = owners, 0, 0
        if self.share is not None:
            own = self.share.own(owners)
            repeated, in_pass = await self.share.repeated(entries, pass_name)
        batch = await self.inventory.claim(own, pass_name, is_final=is_final)
        in_pass_of_all = None if batch.repeated_in_pass is None else batch.repeated_in_pass + in_pass
        listing.add_batch(entries, batch.repeated + repeated, in_pass_of_all, batch.changed_at_first)
        self._report_flaws()
        self._count(batch)
        self.meter.announced = listing.announced
        if owners:
            self.meter.collection = owners[-1].collection if isinstance(owners[-1], Item) else owners[-1].id
        if not self.report.selected:
            self.report.offered.add(owners)
        return batch

    def _report_entries(self, entries: Sequence[Entry]) -> None:
        """Emit and record what a batch says about the listing itself."""
        for entry in entries:
            if isinstance(entry, Page):
                self.events.page(entry)
            elif isinstance(entry, Flaw):
                self.report_flaw(entry)

    def _count(self, batch: BatchResult) -> None:
        report, meter = self.report, self.meter
        report.listing.changed += batch.changed
        report.filtered += batch.filtered
        report.duplicates += batch.duplicates
        report.listing.unlisted_directories += batch.unlisted
        selected = len(batch.jobs) + len(batch.refused)
        report.selected += selected
        report.add_unchanged(batch.unchanged, batch.bytes, batch.proofs, batch.absent)
        meter.listed += batch.items - batch.repeated
        meter.selected += selected
        meter.add_unchanged(batch.unchanged, batch.bytes)

    async def settle(self, batch: Sequence[Settled], place: Place | None = None) -> None:
        """Record, count and emit outcomes; see `ports.Settle`. Each job has one, in one of the calls."""
        refused = [outcome for outcome, _ in batch if outcome.error is not None and outcome.record]
        for outcome in refused:
            self._record_presence(outcome)
        if refused:
            batch = [one for one in batch if one[0] not in refused]
        recorded = await self.ledger.record(batch, place) if batch else ()
        await self.count(refused + [outcome for outcome, _ in recorded])

    async def count(self, outcomes: Sequence[Outcome]) -> None:
        """Count and emit outcomes that the ledger has, and write the items that are complete with them."""
        finished = self.inventory.settle(outcomes)
        self.report.add(outcomes)
        self.meter.settle(outcomes)
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        for outcome in outcomes if self.events.observed else failed:
            self.events.outcome(outcome)
        for item in finished:
            await self.inventory.write(item)
        self._report_flaws()
        self._stop_after_failures(failed)
        for item in finished:
            await self.each(item)
        if (backlog := self.ledger.backpressure()) is not None:
            await backlog

    def _stop_after_failures(self, outcomes: Sequence[Outcome]) -> None:
        failed = [one.error for one in outcomes if one.status is Status.FAILED]
        allowed = 0 if self.options.fail_fast else self.options.max_errors
        if failed and allowed is not None and self.report.failures > allowed:
            raise TooManyErrors(f"stopped after {self.report.failures} failed assets; the last: {failed[-1]}")

    def _record_presence(self, outcome: Outcome) -> None:
        """With `--if-exists error` a file that exists is a failure, but its record stays as it was."""
        asset = outcome.job.asset
        owner = (asset.collection, asset.item, asset.key, outcome.job.path)
        assert outcome.error is not None
        flaw = Flaw(redacted(asset.href), outcome.error, owner=owner)
        self.ledger.enqueue(partial(Statements.add_flaw, flaw=flaw, error=error_json(outcome.error)))

    def _report_flaws(self) -> None:
        while self.inventory.flaws:
            self.report_flaw(self.inventory.flaws.pop())

    def report_flaw(self, flaw: Flaw) -> None:
        """Count, emit, and keep for errors.jsonl a record of the catalogue that cannot be used or written."""
        self.report.add_flaw(flaw)
        if not flaw.benign:
            self.meter.failures[flaw.error.kind] += 1
        error = error_json(flaw.error)
        self.ledger.enqueue(partial(Statements.add_flaw, flaw=flaw, error=error))
        owner = dict(zip(("collection", "item"), flaw.owner, strict=False))
        self.events.emit("error", **owner, href=flaw.where, error=loads(error))

    def report_listing_error(self) -> None:
        """Emit the error by which the listing broke off, if it did."""
        if (failure := self.report.listing.error) is not None:
            error = loads(error_json(failure))
            self.events.emit("error", collection=None, item=None, href=self.source.name, error=error)


def _changes_files(entry: Entry) -> bool:
    """Whether an entry may change which files the mirror consists of."""
    return isinstance(entry, Item | Page) or (
        isinstance(entry, Collection) and bool(entry.body.get("assets"))
    )
