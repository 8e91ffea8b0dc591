"""`mirror()`, the composition root: builds the parts of a run, wires them, runs the pipeline and closes all.

Store, executor and policies are chosen here, source and transports in `connect`. What is done with entries
and outcomes is in `pipeline`, how the results are written down in `finish`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.concurrency import IdleSlots
from ..core.errors import LimitReached, StorageError, TooManyErrors, TransferError, UsageError
from ..core.json_text import dumps
from ..core.model import Concern, Flaw, Item, Stored
from ..core.options import Options
from ..core.telemetry import Events, Listener, Meter
from ..http.client import Http
from ..sources.location import Given, ListedVersion
from ..storage import naming
from ..storage.layout import LEARNED_LIMITS_FILE, LISTING_FILE, STATE_DIR
from ..storage.ledger.ledger import Ledger
from ..storage.ledger.recovery import DocumentRecords
from ..storage.local.destination import names_representable
from ..storage.local.store import LocalStore
from ..storage.renaming import journal
from ..transfer.context import TransferContext
from ..transfer.dedupe import UrlDedupe
from ..transfer.existing import ExistingFilePolicy, ExistingFiles
from ..transfer.resume import OriginQuirks
from ..transfer.segments.coordinator import segment_policy
from .connect import Deadline, open_source
from .destination import absolute, destination, directory_of, disk_space_for, opened, refuse_overlap
from .executors.local import LocalExecutor, opened_references, with_references
from .finish import abandon, finish_run
from .inventory import Inventory, grid_reader
from .pipeline import Run, pump
from .placement.items import PendingItem
from .report.bottleneck import Bottleneck
from .report.receipt import Report

if TYPE_CHECKING:
    from ..core.ports import Executor, Source
    from ..sources.location import SourceLocation
    from ..storage.bucket.store import BucketStore
    from ..storage.ledger.database import Statements
    from .executors.references.found import Reference
    from .executors.remote.pool import WorkerPool
    from .placement.shards import Share
    from .report.metrics import MetricsFile

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
    executor: Any = None,
) -> Report:
    """Copy the selected assets of a catalogue to DEST; run again to resume and refresh.

    `source` is any SOURCE of the command line, or an iterable of STAC items (dicts, pystac Items).
    `each` is awaited with every item whose assets are settled and the records of those on disk, by key.
    `executor` is a `distributed.Client`: the workers of its cluster make the transfers; it is not closed.
    Failed assets are in the report, as is a listing that broke off or a limit that was reached. Raises
    `UsageError`, `SourceError`, `StorageError` or `Locked`, and `LimitReached` before there is a listing.
    Cancelling it saves the state and re-raises.
    """
    options, meter = options or Options(), meter or Meter()
    environ = os.environ if environ is None else environ
    told = Events(events), meter
    async with _metrics(source, dest, options, meter) as metrics:
        report = await _mirror(
            source, dest, options, told, metrics=metrics, each=each, environ=environ, executor=executor
        )
        if metrics is not None:
            metrics.report = report
        return report


@contextlib.asynccontextmanager
async def _metrics(
    source: Given, dest: str | os.PathLike[str], options: Options, meter: Meter
) -> AsyncIterator[MetricsFile | None]:
    """The file of --metrics, written at the end of the block. None: nobody asks for it."""
    if options.metrics is None:
        yield None
        return
    from .report.metrics import metrics_file

    async with metrics_file(source, dest, options).written_at_end(meter) as metrics:
        yield metrics


async def _mirror(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options,
    told: tuple[Events, Meter],
    *,
    metrics: MetricsFile | None,
    each: EachItem | None,
    environ: Mapping[str, str],
    executor: Any,
) -> Report:
    emitter, meter = told
    deadline = Deadline(options.max_duration)
    if executor is not None and (options.processes > 1 or options.scheduler is not None):
        raise UsageError("executor= has the workers of the run: leave processes and scheduler out")
    _refuse_unusable(dest, options)
    refuse_overlap(source, dest, options, environ)
    async with destination(
        dest, options, environ, partial(disk_space_for, options=options, events=emitter)
    ) as store:
        ledger = Ledger(store.state, store)
        store.refuse_unless_directory()
        known = store.load_numbers(LISTING_FILE).get("version", 0) if options.full_every > 1 else 0
        opening = open_source(source, options, environ, deadline, ledger.first_time, store.state, known)
        async with (
            opening as (found, http, folder, location),
            opened(store),
            opened_references(options, environ, directory_of(store), http.limits.rate_limiter) as references,
        ):
            parts = _Parts(
                found, http, store, ledger, options, meter, emitter, location, environ, executor, references
            )
            written = contextlib.nullcontext() if metrics is None else metrics.written_meanwhile(meter)
            with parts.learned_limits(), names_representable(store.state), written:
                run = await _begin(parts, folder, each)
                work = partial(_run_to_end, run, deadline, parts.bottleneck())
                if options.full_every == 1:
                    return await work()
                from .planning.remembered.source import GivenSource, run_with_memory

                local = store if isinstance(store, LocalStore) else None
                given = GivenSource(source, environ, location.version)
                return await run_with_memory(run, local, given, work, observed=each is not None)


async def merge(dest: str | os.PathLike[str]) -> Report:
    """Join the shards in DEST; see `finish.shards.merge`. Raises as that does, and `Locked`."""
    from .finish.shards.merge import merge as join

    root = Path(dest)
    if not (root / STATE_DIR).is_dir():
        raise UsageError(f"{root} is no mirror: give the DEST of the shards")
    store = LocalStore(root)
    with contextlib.closing(store):
        store.open()
        return await join(store)


def _refuse_unusable(dest: str | os.PathLike[str], options: Options) -> None:
    """Raise `UsageError` for what is wrong with the call itself, before any request and any file."""
    if not os.fspath(dest):
        raise UsageError("DEST is empty: give the name of a directory, '.' for this one")
    naming.check_template(options.template)
    if options.scheduler is not None and options.processes > 1:
        raise UsageError("--processes and --scheduler exclude each other: leave one of them out")
    if options.prune:
        from .finish.prune import refuse_partial_selection

        refuse_partial_selection(options)
    if options.references:
        from .executors.references.opening import check_references

        check_references(options)
    if options.shard is not None:
        from .placement.shards import refuse_unusable

        refuse_unusable(options)
    if options.enrich:
        from ..stac.write.projection import refuse_without_reader

        refuse_without_reader()
    if options.index:
        from .finish.index import refuse_without_libraries

        refuse_without_libraries()


@dataclass(slots=True, eq=False, repr=False)
class _Parts:
    """What a run is put together from."""

    source: Source
    http: Http
    store: LocalStore | BucketStore
    ledger: Ledger
    options: Options
    meter: Meter
    events: Events
    location: SourceLocation
    environ: Mapping[str, str]
    executor: Any = None
    """a client of a Dask cluster, whose workers make the transfers"""
    references: Sequence[Reference] = ()

    @contextlib.contextmanager
    def learned_limits(self) -> Iterator[None]:
        """Begin with the request limits that earlier runs learned; keep those of this run for the next."""
        limits = self.http.limits
        limits.recall(self.store.load_numbers(LEARNED_LIMITS_FILE))
        self.meter.held = limits.held_until
        began = time.monotonic()
        try:
            yield
        finally:
            if self.meter.fetched > 1:
                from .report.rates import save_rates

                save_rates(self.store, self.meter, time.monotonic() - began)
            self.store.save_numbers(LEARNED_LIMITS_FILE, limits.learned_limits())

    def bottleneck(self) -> Bottleneck:
        return Bottleneck(self.http.limits, self.meter, lambda: self.store.busy)

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
            self._executor(existing),
            self.store,
            self.ledger,
            self._inventory(source_root, existing.policy, skips_unchanged=skips_unchanged),
            self.options,
            report,
            self.meter,
            self.events,
            each_item,
            self._share(source_root),
        )

    def _executor(self, existing: ExistingFiles) -> Executor:
        context = self._transfer_context(existing)
        local = LocalExecutor(context, self.options.concurrency)
        if self.options.processes == 1 and self.options.scheduler is None and self.executor is None:
            return local
        if not isinstance(self.store, LocalStore):
            raise UsageError(f"DEST {self.store.root} is filled by one process: leave executor= out")
        from .executors.remote.executor import RemoteExecutor
        from .executors.remote.settings import WorkerSettings

        pool, environ = self._pool()
        settings = WorkerSettings(
            self.options,
            replace(self.location, objects=None, version=ListedVersion()),
            str(self.store.root.absolute()),
            environ,
            self.events.observed,
            self.store.renames_set_time,
        )
        return RemoteExecutor(local, context, pool, settings, self.store)

    def _pool(self) -> tuple[WorkerPool, Mapping[str, str] | None]:
        """The workers, and the environment that they read keys from; None: each its own."""
        if self.executor is None and self.options.scheduler is None:
            from .executors.remote.processes import ProcessPool

            return ProcessPool(self.options.processes), dict(self.environ)
        from .executors.remote.cluster.dask_pool import DaskPool, connect

        if self.executor is not None:
            return DaskPool(self.executor, owned=False), None
        return DaskPool(connect(self.options.scheduler or ""), owned=True), None

    def _share(self, source_root: str) -> Share | None:
        if self.options.shard is None:
            return None
        from .placement.shards import Shard, Share

        return Share(Shard.parse(self.options.shard), self.ledger, self._base, source_root)

    @property
    def _base(self) -> str:
        return absolute(self.store.root) if self.options.asset_hrefs == "absolute" else ""

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
            base=self._base,
            source_root=source_root,
            skips_unchanged=skips_unchanged,
            grid_of=grid_reader(store, options),
        )

    def _transfer_context(self, existing: ExistingFiles) -> TransferContext:
        http, store, options = self.http, self.store, self.options
        links_known_urls = self.ledger.resumed and existing.policy.links_known_urls
        quirks, idle_slots = OriginQuirks(), IdleSlots()
        context = TransferContext(
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
        return with_references(context, self.references)


async def _begin(parts: _Parts, source_root: str, each: EachItem | None) -> Run:
    """Open the ledger and build the run; if that fails, the ledger is closed as the run before left it."""
    asked_for = parts.options.selection.asked()
    report = Report(parts.source.name, parts.store.root, asked_for, _now())
    report.allow_empty = parts.options.allow_empty
    asked = dumps(report.selection).decode()
    await parts.ledger.open(report.source, asked, report.started, partial(_rename_files, parts.store))
    try:
        return parts.run(report, source_root, each)
    except BaseException:
        await abandon(parts.ledger)
        raise


def _rename_files(store: LocalStore | BucketStore, book: Statements) -> None:
    """Rename the files of a mirror of an earlier version, as far as that is left to do."""
    if isinstance(store, LocalStore) and journal.begin(book):
        from ..storage.renaming.steps import rename_files

        rename_files(book, store)


async def _run_to_end(run: Run, deadline: Deadline, bottleneck: Bottleneck) -> Report:
    """Pump until the end, a limit, an error or a signal; then write down the results and close the ledger."""
    report, began = run.report, time.monotonic()
    try:
        async with deadline.enforced():
            with bottleneck.sampled():
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
        report.retries, report.throttles = run.meter.retries, run.meter.throttles
        report.waits, report.slowest_host = bottleneck.found, bottleneck.slowest_host
        await finish_run(run, _now())
        run.events.emit(**report.summary())
    return report


async def _prune(run: Run) -> None:
    """Remove what has left the catalogue; a refusal to do so is a flaw of the run."""
    from .finish.prune import prune

    await run.ledger.flush()
    await run.ledger.query(lambda book: prune(book, run.store, run.report, run.options))
    if reason := run.report.pruned.refused:
        concern = Concern.SELECTION if run.report.nothing_matched else Concern.MIRROR
        error = TransferError(f"nothing was pruned: {reason}", kind="prune")
        run.report_flaw(Flaw("--prune", error, concern=concern))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
