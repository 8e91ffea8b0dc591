"""One mirror under way: every result passes by here, to be recorded, counted and told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from ..core.concurrency import affordable_transfers, fan_out
from ..core.errors import DiskFull, MlhubError, TooManyErrors, error_json
from ..core.model import Collection, Entry, Flaw, Item, Job, Outcome, Page, Status
from ..core.options import Options
from ..core.ports import Source
from ..core.urls import redacted
from ..http.resilience.concurrency import MAX_LIMIT
from ..storage.ledger.database import Statements
from ..storage.ledger.ledger import Ledger
from ..transfer.fetch import TransferContext, fetch
from .inventory import BatchResult, Inventory, PendingItem
from .report.completeness import read
from .report.receipt import Report


@dataclass(slots=True)
class Run:
    """The parts of one mirror, and where its results are counted."""

    source: Source
    options: Options
    context: TransferContext
    ledger: Ledger
    inventory: Inventory
    report: Report
    each: Callable[[PendingItem], Awaitable[None]]

    def note_listing(self, entries: Sequence[Entry]) -> None:
        """Tell what a batch of entries says of the listing itself."""
        for entry in entries:
            if isinstance(entry, Page):
                self.context.meter.pages += 1
                self.context.events.page(entry)
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
        self.context.events.emit("error", **owner, href=flaw.where, error=orjson.loads(said))

    def note_break(self) -> None:
        """Tell that the listing broke off, if it did."""
        if (broken := self.report.listing.error) is not None:
            error = orjson.loads(error_json(broken))
            self.context.events.emit("error", collection=None, item=None, href=self.source.name, error=error)

    def note_taken(self, taken: BatchResult) -> None:
        """Count what a batch came to, and tell what is wrong with it."""
        self.note_flaws()
        report, meter = self.report, self.context.meter
        report.listing.changed += taken.changed
        report.filtered += taken.filtered
        report.duplicates += taken.duplicates
        report.selected += len(taken.jobs)
        report.confirm(taken.confirmed, taken.bytes, taken.proofs)
        meter.listed += taken.items - taken.repeated
        meter.filtered += taken.filtered
        meter.duplicates += taken.duplicates
        meter.selected += len(taken.jobs)
        meter.confirm(taken.confirmed, taken.bytes)
        meter.expected_bytes += sum(job.asset.size or 0 for job, _ in taken.jobs)

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
                await self.context.store.disk_space.wait(full)
                return await self.settle(outcome, url)
        finished = await self.inventory.settle(outcome)
        self.note_flaws()
        self.report.add(outcome)
        self.context.meter.settle(outcome)
        self.context.events.outcome(outcome)
        allowed = 0 if self.options.fail_fast else self.options.max_errors
        if allowed is not None and self.report.failures > allowed:
            error = outcome.error
            raise TooManyErrors(f"stopped after {self.report.failures} failed assets; the last: {error}")
        if finished is not None:
            await self.each(finished)
        if (behind := self.ledger.backpressure()) is not None:
            await behind


async def pump(run: Run) -> None:
    """Listing and downloading at once: entries become jobs, jobs outcomes, outcomes finished items."""

    async def produce(put: Callable[[Job], Awaitable[None]]) -> None:
        async def emit(entries: Sequence[Entry]) -> None:
            if any(map(_of_files, entries)):
                run.context.store.forget_receipt()
            run.note_listing(entries)
            owners = [entry for entry in entries if isinstance(entry, Item | Collection)]
            reading = run.report.listing.rereading(entries)
            taken = await run.inventory.take(
                owners, reading, final=not run.report.listing.may_repeat(entries)
            )
            run.report.listing.note(entries, taken.repeated, taken.again)
            run.note_taken(taken)
            for item in taken.finished:
                await run.each(item)
            for job, done in taken.jobs:
                if done:
                    await run.settle(Outcome(job, Status.SKIPPED, job.previous), None)
                else:
                    await put(job)

        await read(run.source, emit, run.report.listing)
        run.note_break()
        run.context.http.hurry()

    async def work(job: Job) -> None:
        run.context.events.job("start", job)
        await run.settle(*await fetch(job, run.context))

    limits = run.context.http.limits
    workers = affordable_transfers(run.options.concurrency or MAX_LIMIT)
    useful = None if limits.fixed else partial(limits.useful, workers)
    await fan_out(produce, work, workers, useful, run.context.idle_slots)
    limits.end()


def _of_files(entry: Entry) -> bool:
    """Whether an entry may change which files the mirror stands for."""
    return isinstance(entry, Item | Page) or (
        isinstance(entry, Collection) and bool(entry.body.get("assets"))
    )
