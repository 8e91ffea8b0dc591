"""The composition root: builds the parts, wires them, runs the pipeline and proves the result.

`pump` is the whole pipeline on one screen; what each part does is said in its own module.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from . import names
from .closing import close_mirror
from .descriptors import affordable
from .errors import DiskFull, LimitReached, StorageError, TooManyErrors, TransferError
from .events import Events, Told
from .flow import fan_out
from .http import Http
from .inventory import Inventory, Open, Taken
from .ledger import Book, Ledger, error_json
from .listing import read
from .model import Collection, Entry, Flaw, Item, Job, Outcome, Page, Record, Status
from .network import local_root, mlhub_root, network
from .options import Options, Selection
from .pace import MOST
from .ports import Source
from .progress import Meter
from .pruning import prune, refuse_a_part
from .report import Report
from .sharing import Sharing
from .sources import of_objects, recognise
from .stores.local import LocalStore
from .transfer import Kit, fetch
from .waiting import room_for

PACES = "pace.json"
"""How many requests at a time each host was served best by: the next run begins with that."""
FirstTime = Callable[[list[str]], Awaitable[list[str]]]
Given = str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]
"""A SOURCE of the command line, or STAC items: dicts or objects with `to_dict`, pystac's for example."""


@dataclass(slots=True)
class Run:
    """One mirror under way: the parts, and where its results are counted."""

    source: Source
    options: Options
    kit: Kit
    ledger: Ledger
    inventory: Inventory
    report: Report
    each: Callable[[Open], Awaitable[None]]


async def pump(run: Run) -> None:
    """Listing and downloading at once: entries become jobs, jobs outcomes, outcomes finished items."""

    async def produce(put: Callable[[Job], Awaitable[None]]) -> None:
        async def emit(entries: Sequence[Entry]) -> None:
            run.kit.store.forget_receipt()
            note_listing(run, entries)
            owners = [entry for entry in entries if isinstance(entry, Item | Collection)]
            taken = await run.inventory.take(owners, run.report.listing.rereading(entries))
            run.report.listing.note(entries, taken.repeated, taken.again)
            note_taken(run, taken)
            for item in taken.finished:
                await run.each(item)
            for job, done in taken.jobs:
                if done:
                    await settle(run, Outcome(job, Status.SKIPPED, job.known), None)
                else:
                    await put(job)

        await read(run.source, emit, run.report.listing)
        run.kit.http.hurry()

    async def work(job: Job) -> None:
        run.kit.events.job("start", job)
        await settle(run, *await fetch(job, run.kit))

    limits = run.kit.http.limits
    workers = affordable(run.options.concurrency or MOST)
    await fan_out(produce, work, workers, None if limits.fixed else limits.useful)


def note_listing(run: Run, entries: Sequence[Entry]) -> None:
    """Tell what a batch of entries says of the listing itself."""
    for entry in entries:
        if isinstance(entry, Page):
            run.kit.meter.pages += 1
            run.kit.events.page(entry)
        elif isinstance(entry, Flaw):
            note_flaw(run, entry)
    note_flaws(run)


def note_flaws(run: Run) -> None:
    while run.inventory.flaws:
        note_flaw(run, run.inventory.flaws.pop())


def note_flaw(run: Run, flaw: Flaw) -> None:
    """One record of the catalogue that cannot be used, or written: told, and kept for errors.jsonl."""
    run.report.add_flaw(flaw)
    said = error_json(flaw.error)
    run.ledger.tell(partial(Book.add_flaw, place=flaw.where, error=said, benign=flaw.benign))
    run.kit.events.tell("error", href=flaw.where, error=orjson.loads(said))


def note_taken(run: Run, taken: Taken) -> None:
    """Count what a batch came to."""
    report, meter = run.report, run.kit.meter
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


async def settle(run: Run, outcome: Outcome, url: str | None) -> None:
    """Every outcome passes here once: to the ledger, to those who watch, to the report.

    `url` is where the bytes came from, None where the ledger knows all of it already.
    """
    if url is not None:
        try:
            run.ledger.record(outcome, url)
        except DiskFull as full:
            await run.kit.store.room.wait(full)
            return await settle(run, outcome, url)
    finished = await run.inventory.settle(outcome)
    note_flaws(run)
    run.report.add(outcome)
    run.kit.meter.settle(outcome)
    run.kit.events.outcome(outcome)
    allowed = 0 if run.options.fail_fast else run.options.max_errors
    if allowed is not None and run.report.failures > allowed:
        error = outcome.error
        raise TooManyErrors(f"stopped after {run.report.failures} failed assets; the last: {error}")
    if finished is not None:
        await run.each(finished)
    if (behind := run.ledger.room()) is not None:
        await behind


async def mirror(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    meter: Meter | None = None,
    events: Told | None = None,
    each: Callable[[Item, dict[str, Record]], Awaitable[None]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Report:
    """Copy the selected assets of a catalogue to DEST; run again to resume and refresh.

    `source` is any SOURCE of the command line, or an iterable of STAC items (dicts, pystac Items).
    `each` is awaited with every item whose assets are settled and the records of those on disk, by key.
    Failed assets are in the report, as is a listing that broke off or a limit that was reached. Raises
    `UsageError`, `SourceError`, `StorageError` or `Locked`. Cancelling it saves the state and re-raises.
    """
    options = options or Options()
    names.check_template(options.path_template)
    refuse_a_part(options)
    environ = os.environ if environ is None else environ
    told = Events(events)
    store = LocalStore(Path(dest), durability=options.durability, room=room_for(Path(dest), options, told))
    sync = store.sync_directories if options.durability == "full" else None
    ledger = Ledger(
        store.state, store.root, store.write_document, sync_directories=sync, wait_for_room=store.room.wait
    )
    store.refuse_unless_directory()
    async with opened(source, options, environ, ledger.first_time) as (found, http):
        try:
            store.open()
            report = Report(found.name, store.root, selected(options), _now())
            report.listing.capped = options.selection.max_items is not None
            report.listing.cut = options.selection.split > 1
            await ledger.open(report.source, orjson.dumps(report.selection).decode(), report.started)
            http.limits.recall(store.recall(PACES))
            kit = _kit(found, http, store, ledger, options, meter or Meter(), told)
            base = str(store.root.resolve()) if options.asset_hrefs == "absolute" else ""
            inventory = Inventory(
                ledger,
                store.found,
                options,
                base=base,
                source_root=_local_root(source),
                confirms=ledger.resumed and events is None and each is None,
            )

            async def tell(item: Open) -> None:
                if each is not None:
                    await each(item.item, item.records)

            return await _to_the_end(Run(found, options, kit, ledger, inventory, report, tell))
        finally:
            store.close()


def _kit(
    source: Source,
    http: Http,
    store: LocalStore,
    ledger: Ledger,
    options: Options,
    meter: Meter,
    events: Events,
) -> Kit:
    meter.held = http.held
    return Kit(
        http=http,
        store=store,
        retry=http.retry,
        sharing=Sharing(ledger.find if ledger.resumed and options.if_exists == "resume" else None),
        refresh=source.refresh,
        move=ledger.move,
        meter=meter,
        events=events,
        express=store.express and options.verify in ("auto", "checksum"),
        check_digests=options.verify != "size",
        deep=options.verify == "deep",
        if_exists=options.if_exists,
    )


async def _to_the_end(run: Run) -> Report:
    """Pump until the end, a limit, an error or a signal; whatever it is, write down what is there."""
    report, began = run.report, time.monotonic()
    try:
        async with asyncio.timeout(run.options.max_duration):
            await pump(run)
        if run.options.prune:
            await prune_left(run)
    except TimeoutError:
        report.stopped = LimitReached("--max-duration is over; run again to go on where this stopped")
    except (LimitReached, TooManyErrors) as error:
        report.stopped = error
    except MemoryError:
        report.stopped = StorageError(
            "out of memory; fewer transfers at a time (-j) need less, then run again"
        )
        raise report.stopped from None
    except BaseException as error:
        report.stopped = error
        raise
    finally:
        report.seconds = time.monotonic() - began
        run.kit.store.remember(PACES, run.kit.http.limits.paces())
        await close_mirror(report, run.ledger, run.kit.store, run.inventory, _now())
        run.kit.events.tell(**report.summary())
    return report


async def prune_left(run: Run) -> None:
    """Remove what has left the catalogue; that it was asked for and cannot be done is a flaw of the run."""
    await run.ledger.flush()
    await run.ledger.ask(lambda book: prune(book, run.kit.store.root, run.report, run.options))
    if reason := run.report.pruned.refused:
        note_flaw(run, Flaw("--prune", TransferError(f"nothing was pruned: {reason}", kind="prune")))


def selected(options: Options) -> dict[str, Any]:
    """What was asked for beyond the defaults, for the receipt."""
    chosen, default = asdict(options.selection), asdict(Selection())
    return {name: value for name, value in chosen.items() if value != default[name]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local_root(source: Given) -> str:
    root = local_root(os.fspath(source)) if isinstance(source, str | os.PathLike) else None
    return str(root.resolve()) if root is not None else ""


@contextlib.asynccontextmanager
async def opened(
    source: Given, options: Options, environ: Mapping[str, str], first_time: FirstTime | None = None
) -> AsyncIterator[tuple[Source, Http]]:
    """The source that a SOURCE means, and the network it is read through, which is closed at the end."""
    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    word = source if isinstance(source, str) else "-"
    async with network(word, options, environ) as http:
        if isinstance(source, str):
            yield (
                await recognise(
                    source,
                    http,
                    options.selection,
                    mlhub_root=mlhub_root(environ),
                    allow_origins=options.allow_origins,
                    first_time=first_time,
                ),
                http,
            )
        else:
            yield of_objects(source, options.selection), http
