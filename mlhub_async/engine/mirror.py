"""`mirror()`, the composition root: builds the parts of a run, wires them, runs the pipeline and closes all.

Store, executor and policies are chosen here, source and transports in `connect`. What is done with entries
and outcomes is in `pipeline`, how the results are written down in `finish`.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

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
from ..core.json_text import dumps, loads
from ..core.model import Concern, Flaw, Item, Stored
from ..core.options import Options
from ..core.ports import Source
from ..core.telemetry import Events, Listener, Meter, human_size
from ..http.client import Http
from ..sources.recognise import Given
from ..stac.write.projection import refuse_without_reader
from ..storage import naming
from ..storage.layout import LEARNED_LIMITS_FILE
from ..storage.ledger.ledger import Ledger
from ..storage.ledger.recovery import DocumentRecords
from ..storage.local.destination import names_representable
from ..storage.local.disk_space import DiskSpace
from ..storage.local.store import LocalStore
from ..storage.renaming.steps import rename_files
from ..transfer.context import TransferContext
from ..transfer.dedupe import UrlDedupe
from ..transfer.existing import ExistingFilePolicy, ExistingFiles
from ..transfer.resume import OriginQuirks
from ..transfer.segments.coordinator import segment_policy
from .connect import Deadline, open_source, store_at
from .executors.local import LocalExecutor
from .finish import abandon, finish_run
from .inventory import Inventory, PendingItem, grid_reader
from .pipeline import Run, pump
from .report.completeness import Completeness
from .report.receipt import Report

EachItem = Callable[[Item, Mapping[str, Stored]], Awaitable[None]]


async def mirror(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    meter: Meter | None = None,
    events: Listener | None = None,
    each: EachItem | None = None,
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
    emitter = Events(events)
    store = store_at(Path(dest), options, disk_space_for(dest, options, emitter))
    ledger = Ledger(store.state, store)
    store.refuse_unless_directory()
    opening = open_source(source, options, environ, deadline, ledger.first_time, store.state)
    async with opening as (found, http, folder):
        with contextlib.closing(store):
            store.open()
            parts = _Parts(found, http, store, ledger, options, meter or Meter(), emitter)
            with parts.learned_limits(), names_representable(store.root):
                run = await _begin(parts, folder, each)
                return await _run_to_end(run, deadline)


def _refuse_unusable(dest: str | os.PathLike[str], options: Options) -> None:
    """Raise `UsageError` for what is wrong with the call itself, before any request and any file."""
    if not os.fspath(dest):
        raise UsageError("DEST is empty: give the name of a directory, '.' for this one")
    naming.check_template(options.template)
    if options.prune:
        from .prune import refuse_partial_selection

        refuse_partial_selection(options)
    if options.enrich:
        refuse_without_reader()
    if options.index:
        from .finish.index import refuse_without_libraries

        refuse_without_libraries()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a run is put together from."""

    source: Source
    http: Http
    store: LocalStore
    ledger: Ledger
    options: Options
    meter: Meter
    events: Events

    @contextlib.contextmanager
    def learned_limits(self) -> Iterator[None]:
        """Begin with the request limits that earlier runs learned; keep those of this run for the next."""
        limits = self.http.limits
        limits.recall(self.store.load_numbers(LEARNED_LIMITS_FILE))
        self.meter.held = limits.held_until
        try:
            yield
        finally:
            self.store.save_numbers(LEARNED_LIMITS_FILE, limits.learned_limits())

    def run(self, report: Report, source_root: str, each: EachItem | None) -> Run:
        """The ledger must be open: what is built depends on whether it has files of an earlier run."""
        observed = each is not None or self.events.observed
        skips_unchanged = self.ledger.resumed and not observed
        existing = ExistingFiles.of(self.store, self.options.if_exists, self.options.verify)

        async def each_item(item: PendingItem) -> None:
            if each is not None:
                await each(item.item, item.stored)

        return Run(
            self.source,
            LocalExecutor(self._transfer_context(existing), self.options.concurrency),
            self.store,
            self.ledger,
            self._inventory(source_root, existing.policy, skips_unchanged=skips_unchanged),
            self.options,
            report,
            self.meter,
            self.events,
            each_item,
        )

    def _inventory(
        self, source_root: str, existing: ExistingFilePolicy, *, skips_unchanged: bool
    ) -> Inventory:
        store, options = self.store, self.options
        reads_documents = store.has_files and not self.ledger.resumed
        return Inventory(
            self.ledger,
            DocumentRecords(store.is_as_recorded, store.stat, store.read if reads_documents else None),
            options,
            existing,
            base=str(store.root.resolve()) if options.asset_hrefs == "absolute" else "",
            source_root=source_root,
            skips_unchanged=skips_unchanged,
            grid_of=grid_reader(store, options),
        )

    def _transfer_context(self, existing: ExistingFiles) -> TransferContext:
        http, store, options = self.http, self.store, self.options
        links_known_urls = self.ledger.resumed and existing.policy.links_known_urls
        quirks, idle_slots = OriginQuirks(), IdleSlots()
        return TransferContext(
            http=http,
            store=store,
            retry=http.retry,
            dedupe=UrlDedupe(self.ledger.find if links_known_urls else None),
            refresh=self.source.refresh,
            move=self.ledger.move,
            meter=self.meter,
            events=self.events,
            existing=existing,
            small_files=store.small_bytes > 0 and existing.checks.digests_only,
            quirks=quirks,
            idle_slots=idle_slots,
            segments=segment_policy(options.parts, http, self.meter, quirks, idle_slots),
        )


async def _begin(parts: _Parts, source_root: str, each: EachItem | None) -> Run:
    """Open the ledger and build the run; if that fails, the ledger is closed as the run before left it."""
    selection = parts.options.selection
    report = Report(parts.source.name, parts.store.root, selection.asked(), _now())
    report.listing, report.allow_empty = Completeness.of(selection), parts.options.allow_empty
    asked = dumps(report.selection).decode()
    rename = partial(rename_files, store=parts.store)
    await parts.ledger.open(report.source, asked, report.started, rename)
    try:
        return parts.run(report, source_root, each)
    except BaseException:
        await abandon(parts.ledger)
        raise


async def _run_to_end(run: Run, deadline: Deadline) -> Report:
    """Pump until the end, a limit, an error or a signal; then write down the results and close the ledger."""
    report, began = run.report, time.monotonic()
    try:
        async with deadline.enforced():
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
        await finish_run(run, _now())
        run.events.emit(**report.summary())
    return report


async def _prune(run: Run) -> None:
    """Remove what has left the catalogue; a refusal to do so is a flaw of the run."""
    from .prune import prune

    await run.ledger.flush()
    await run.ledger.query(lambda book: prune(book, run.store, run.report, run.options))
    if reason := run.report.pruned.refused:
        concern = Concern.SELECTION if run.report.nothing_matched else Concern.MIRROR
        error = TransferError(f"nothing was pruned: {reason}", kind="prune")
        run.report_flaw(Flaw("--prune", error, concern=concern))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def disk_space_for(dest: str | os.PathLike[str], options: Options, events: Events) -> DiskSpace:
    """What happens on a full disk (`--on-full`). A wait for space is told by a warning and an event."""

    def warn(full: DiskFull, free: int) -> None:
        warnings.warn(
            f"the disk of {dest} is full ({human_size(free)} free): every transfer waits until there is room;"
            " Ctrl-C ends the run, what is there is kept",
            DiskFullWarning,
            stacklevel=2,
        )
        events.emit("throttle", error=loads(error_json(full)), free=free)

    return DiskSpace(Path(dest), waits=options.on_full == "pause", listener=warn)
