"""One mirror under way: every result passes by here, to be recorded, counted and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from ..core.errors import DiskFull, MlhubError, TooManyErrors, error_json
from ..core.model import Collection, Entry, Flaw, Item, Outcome, Page, Status
from ..core.options import Options
from ..core.ports import Executor, Source, Submit
from ..core.telemetry import Events, Meter
from ..core.urls import redacted
from ..storage.ledger.database import Statements
from ..storage.ledger.ledger import Ledger
from ..storage.local.store import LocalStore
from .inventory import BatchResult, Inventory, PendingItem
from .report.completeness import read
from .report.receipt import Report


@dataclass(slots=True)
class Run:
    """One mirror: its parts, and what is done with every entry of the listing and every outcome of a job."""

    source: Source
    executor: Executor
    store: LocalStore
    ledger: Ledger
    inventory: Inventory
    options: Options
    report: Report
    meter: Meter
    events: Events
    each: Callable[[PendingItem], Awaitable[None]]

    async def take(self, entries: Sequence[Entry]) -> BatchResult:
        """Count a batch of entries, claim its assets in the ledger and make jobs of them."""
        if any(map(_of_files, entries)):
            self.store.forget_receipt()
        self.note_listing(entries)
        owners = [entry for entry in entries if isinstance(entry, Item | Collection)]
        listing = self.report.listing
        reading, final = listing.rereading(entries), not listing.may_repeat(entries)
        batch = await self.inventory.take(owners, reading, final=final)
        listing.note(entries, batch.repeated, batch.again)
        self.note_batch(batch)
        return batch

    def note_listing(self, entries: Sequence[Entry]) -> None:
        """Tell what a batch of entries says of the listing itself."""
        for entry in entries:
            if isinstance(entry, Page):
                self.events.page(entry)
            elif isinstance(entry, Flaw):
                self.note_flaw(entry)

    def note_flaws(self) -> None:
        while self.inventory.flaws:
            self.note_flaw(self.inventory.flaws.pop())

    def note_flaw(self, flaw: Flaw) -> None:
        """One record of the catalogue that cannot be used, or written: told, and kept for errors.jsonl."""
        self.report.add_flaw(flaw)
        said = error_json(flaw.error)
        self.ledger.enqueue(partial(Statements.add_flaw, flaw=flaw, error=said))
        owner = dict(zip(("collection", "item"), flaw.owner, strict=False))
        self.events.emit("error", **owner, href=flaw.where, error=orjson.loads(said))

    def note_break(self) -> None:
        """Tell that the listing broke off, if it did."""
        if (broken := self.report.listing.error) is not None:
            error = orjson.loads(error_json(broken))
            self.events.emit("error", collection=None, item=None, href=self.source.name, error=error)

    def note_batch(self, batch: BatchResult) -> None:
        """Count what a batch came to, and tell what is wrong with it."""
        self.note_flaws()
        report, meter = self.report, self.meter
        report.listing.changed += batch.changed
        report.filtered += batch.filtered
        report.duplicates += batch.duplicates
        report.selected += len(batch.jobs)
        report.confirm(batch.confirmed, batch.bytes, batch.proofs)
        meter.listed += batch.items - batch.repeated
        meter.selected += len(batch.jobs)
        meter.confirm(batch.confirmed, batch.bytes)

    def _note_presence(self, outcome: Outcome, error: MlhubError) -> None:
        """With --if-exists error a file that is there is what failed, and as good as it was."""
        asset = outcome.job.asset
        owner = (asset.collection, asset.item, asset.key, outcome.job.path)
        flaw = Flaw(redacted(asset.href), error, owner=owner)
        self.ledger.enqueue(partial(Statements.add_flaw, flaw=flaw, error=error_json(error)))

    async def settle(self, outcome: Outcome, url: str | None) -> None:
        """Every outcome passes here once: to the ledger, to those who watch, to the report.

        `url` is where the bytes came from, None where the ledger knows all of it already.
        """
        if outcome.error is not None and outcome.record is not None:
            self._note_presence(outcome, outcome.error)
        elif url is not None:
            try:
                self.ledger.record(outcome, url)
            except DiskFull as full:
                await self.store.disk_space.wait(full)
                return await self.settle(outcome, url)
        finished = await self.inventory.settle(outcome)
        self.note_flaws()
        self.report.add(outcome)
        self.meter.settle(outcome)
        self.events.outcome(outcome)
        allowed = 0 if self.options.fail_fast else self.options.max_errors
        if allowed is not None and self.report.failures > allowed:
            error = outcome.error
            raise TooManyErrors(f"stopped after {self.report.failures} failed assets; the last: {error}")
        if finished is not None:
            await self.each(finished)
        if (behind := self.ledger.backpressure()) is not None:
            await behind


async def pump(run: Run) -> None:
    """List and transfer at the same time: entries become jobs, jobs outcomes, outcomes finished items."""

    async def produce(submit: Submit) -> None:
        async def emit(entries: Sequence[Entry]) -> None:
            batch = await run.take(entries)
            for item in batch.finished:
                await run.each(item)
            for job, done in batch.jobs:
                if done:
                    await run.settle(Outcome(job, Status.SKIPPED, job.previous), None)
                else:
                    await submit(job)

        await read(run.source, emit, run.report.listing)
        run.note_break()

    await run.executor.run(produce, run.settle)


def _of_files(entry: Entry) -> bool:
    """Whether an entry may change which files the mirror stands for."""
    return isinstance(entry, Item | Page) or (
        isinstance(entry, Collection) and bool(entry.body.get("assets"))
    )
