"""The composition root: builds the parts, wires them, runs the pipeline and proves the result.

`pump` is the whole pipeline on one screen; what each part does is said in its own module.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson

from ..core.concurrency import IdleSlots
from ..core.errors import (
    DiskFull,
    DiskFullWarning,
    LimitReached,
    StorageError,
    TooManyErrors,
    TransferError,
    UsageError,
    error_json,
)
from ..core.model import Flaw, Item, Record
from ..core.options import Options
from ..core.ports import Source
from ..core.telemetry import Events, Listener, Meter, human
from ..http.client import Http
from ..sources.recognise import Given
from ..storage import naming
from ..storage.ledger.ledger import Ledger
from ..storage.ledger.recovery import DocumentRecords
from ..storage.local.destination import names_representable
from ..storage.local.disk_space import DiskSpace
from ..storage.local.store import STATE, LocalStore
from ..transfer.dedupe import UrlDedupe
from ..transfer.existing import ExistingFilePolicy
from ..transfer.fetch import TransferContext
from ..transfer.resume import OriginQuirks
from ..transfer.segments.coordinator import segment_policy
from .connect import Deadline, opened
from .finish import close_mirror
from .inventory import Inventory, PendingItem
from .pipeline import Run, pump
from .prune import prune, refuse_partial_selection
from .report.completeness import Completeness
from .report.receipt import Report

PACES = "pace.json"
"""How many requests at a time each host was served best by: the next run begins with that."""


async def mirror(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    meter: Meter | None = None,
    events: Listener | None = None,
    each: Callable[[Item, dict[str, Record]], Awaitable[None]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Report:
    """Copy the selected assets of a catalogue to DEST; run again to resume and refresh.

    `source` is any SOURCE of the command line, or an iterable of STAC items (dicts, pystac Items).
    `each` is awaited with every item whose assets are settled and the records of those on disk, by key.
    Failed assets are in the report, as is a listing that broke off or a limit that was reached. Raises
    `UsageError`, `SourceError`, `StorageError` or `Locked`, and `LimitReached` before there is a listing.
    Cancelling it saves the state and re-raises.
    """
    options = options or Options()
    deadline = Deadline(options.max_duration)
    _refuse_unusable(dest, options)
    environ = os.environ if environ is None else environ
    told = Events(events)
    store, ledger = _disk(Path(dest), options, told)
    store.refuse_unless_directory()
    async with opened(source, options, environ, deadline, ledger.first_time) as (
        found,
        http,
        folder,
    ):
        try:
            store.open()
            report = Report(found.name, store.root, options.selection.asked(), _now())
            report.listing = Completeness.of(options.selection)
            await ledger.open(report.source, orjson.dumps(report.selection).decode(), report.started)
            http.limits.recall(store.recall(PACES))
            context = _context(found, http, store, ledger, options, meter or Meter(), told)
            unheard = events is None and each is None
            inventory = _inventory(store, ledger, options, folder, unheard=unheard)

            async def tell(item: PendingItem) -> None:
                if each is not None:
                    await each(item.item, item.records)

            run = Run(found, options, context, ledger, inventory, report, tell)
            with names_representable(store.root):
                return await _to_the_end(run, deadline)
        finally:
            store.close()


def _refuse_unusable(dest: str | os.PathLike[str], options: Options) -> None:
    """What can be said before anything is asked or made."""
    if not os.fspath(dest):
        raise UsageError("DEST is empty: give the name of a directory, '.' for this one")
    naming.check_template(options.path_template)
    refuse_partial_selection(options)


def _disk(dest: Path, options: Options, told: Events) -> tuple[LocalStore, Ledger]:
    store = LocalStore(dest, durability=options.durability, room=disk_space_for(dest, options, told))
    sync = store.sync_directories if options.durability == "full" else None
    ledger = Ledger(
        store.state,
        store.root,
        store.write_document,
        sync_directories=sync,
        wait_for_room=store.disk_space.wait,
    )
    return store, ledger


def _inventory(
    store: LocalStore, ledger: Ledger, options: Options, source_root: str, *, unheard: bool
) -> Inventory:
    """`unheard`: nobody wants to hear of every asset."""
    return Inventory(
        ledger,
        DocumentRecords(store.found, store.document if store.inhabited and not ledger.resumed else None),
        options,
        base=str(store.root.resolve()) if options.asset_hrefs == "absolute" else "",
        source_root=source_root,
        confirms=ledger.resumed and unheard,
    )


def _context(
    source: Source,
    http: Http,
    store: LocalStore,
    ledger: Ledger,
    options: Options,
    meter: Meter,
    events: Events,
) -> TransferContext:
    meter.held = http.limits.held
    quirks, idle_slots = OriginQuirks(), IdleSlots()
    return TransferContext(
        http=http,
        store=store,
        retry=http.retry,
        dedupe=UrlDedupe(ledger.find if ledger.resumed and options.if_exists == "resume" else None),
        refresh=source.refresh,
        move=ledger.move,
        meter=meter,
        events=events,
        existing=ExistingFilePolicy(
            store,
            check_digests=options.verify != "size",
            deep=options.verify == "deep",
            if_exists=options.if_exists,
        ),
        small_files=store.express and options.verify in ("auto", "checksum"),
        quirks=quirks,
        idle_slots=idle_slots,
        segments=segment_policy(options.parts, http, meter, quirks, idle_slots),
    )


async def _to_the_end(run: Run, deadline: Deadline) -> Report:
    """Pump until the end, a limit, an error or a signal; whatever it is, write down what is there."""
    report, began = run.report, time.monotonic()
    try:
        async with deadline.kept():
            await pump(run)
        if run.options.prune:
            await _prune(run)
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
        run.context.store.remember(PACES, run.context.http.limits.learned_limits())
        await close_mirror(report, run.ledger, run.context.store, run.inventory, _now())
        run.context.events.emit(**report.summary())
    return report


async def _prune(run: Run) -> None:
    """Remove what has left the catalogue; that it was asked for and cannot be done is a flaw of the run."""
    await run.ledger.flush()
    await run.ledger.query(lambda book: prune(book, run.context.store.root, run.report, run.options))
    if reason := run.report.pruned.refused:
        run.note_flaw(Flaw("--prune", TransferError(f"nothing was pruned: {reason}", kind="prune")))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def disk_space_for(dest: Path, options: Options, events: Events) -> DiskSpace:
    """Whether a full disk is waited for is the user's choice."""

    def told(full: DiskFull, free: int) -> None:
        warnings.warn(
            f"the disk of {dest} is full ({human(free)} free): every transfer waits until there is room;"
            " Ctrl-C ends the run, what is there is kept",
            DiskFullWarning,
            stacklevel=2,
        )
        events.emit("throttle", error=orjson.loads(error_json(full)), free=free)

    return DiskSpace(dest / STATE, patient=options.on_full == "pause", told=told)
