"""fetch: one asset from open to commit. What an answer means for the bytes is `intake`'s to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..core.concurrency import IdleSlots, shrink_pool
from ..core.errors import (
    Corrupt,
    Fatal,
    LocalShortage,
    MlhubError,
    PartialLost,
    StorageError,
    TransferError,
    Transient,
)
from ..core.model import Asset, Head, Job, Outcome, Proof, Record, Request, Status
from ..core.ports import Store
from ..core.telemetry import Events, Meter
from ..core.urls import canonical, is_expiring, parse, redacted, suffix
from ..http.client import Http
from ..http.decoding import AS_STORED
from ..http.resilience.retry import Retry
from .dedupe import AlreadyFetched, InFlight, UrlDedupe
from .existing import ExistingFiles
from .receiver import Receiver
from .resume import OriginQuirks
from .segments.coordinator import SegmentedDownload, SegmentPolicy
from .small_file import SmallFileSink, is_eligible

REFRESHES = 2
"""How often an expired href is asked for anew, per asset and run."""
TWICE = frozenset({"checksum-mismatch", "size-mismatch", "empty", "structure"})
"""Kinds of damage that may be of one transfer's making, so that another one may bring the right bytes."""


async def fetch(job: Job, context: TransferContext) -> tuple[Outcome, str]:
    """Bring one asset to its place. Returns what became of it and the URL its bytes are known by.

    An expected failure is an outcome; only `Fatal` errors, bugs and cancellation leave by exception.
    """
    if (busy := context.store.backpressure()) is not None:
        await busy
    transfer = Transfer(job, context)
    try:
        outcome = await transfer.run()
    except Fatal:
        raise
    except LocalShortage as error:
        raise error.as_fatal() from None
    except MlhubError as error:
        here = job.previous if error.kind == "exists" else None
        outcome = transfer.outcome(Status.FAILED, here, error.without_traceback())
    return outcome, transfer.urls[-1] if transfer.urls else redacted(job.asset.href)


class Transfer:
    """One job under way."""

    def __init__(self, job: Job, context: TransferContext) -> None:
        self.job = job
        self.context = context
        self.urls: list[str] = []
        self._url = ""
        self.attempts = 0
        self._made: Receiver | None = None
        self._segments = SegmentedDownload(context.segments)
        store = context.store
        small = context.small_files and is_eligible(job) and not store.has_partial(job.asset.identity)
        self._lane = SmallFileSink(job, store, context.meter, lambda: self._intake) if small else None
        self._in_flight = InFlight()
        self._refreshes = 0
        self._mismatched = False

    @property
    def _intake(self) -> Receiver:
        """Made when it is needed: the express lane gets by without."""
        if self._made is None:
            context = self.context
            self._made = Receiver(
                self.job,
                context.store,
                context.meter,
                context.quirks,
                self._segments,
                check_digests=context.existing.checks.digests,
            )
        return self._made

    def outcome(
        self, status: Status, record: Record | None = None, error: MlhubError | None = None
    ) -> Outcome:
        received = 0 if self._made is None else self._made.received
        return Outcome(self.job, status, record, error, self.attempts, received)

    async def run(self) -> Outcome:
        """Use what is there, share, or fetch; then tell those who wait for the same URL."""
        record: Record | None = None
        try:
            self._url = parse(self.job.asset.href)
            self.urls = [canonical(self._url)]
            if self.job.previous is not None:
                self.job = await self.context.existing.review(self.job)
            if (here := await self.context.existing.kept(self.job)) is not None:
                outcome = self.outcome(Status.SKIPPED, here)
            elif (shared := await self._shared(self.urls[0], known_url=self.job.known_url)) is not None:
                outcome = await self._linked(shared)
            else:
                self.context.dedupe.begin(self.urls[0], self._in_flight)
                outcome = await self._fetch()
            record = outcome.record
            return outcome
        except TransferError as error:
            if self.urls and not (error.maybe_expired and is_expiring(self.job.asset.href)):
                self.context.dedupe.fail(self.urls[0], error)
            raise
        finally:
            self.context.dedupe.end(self._in_flight, self.urls, record)

    async def _shared(self, url: str, *, known_url: bool = True) -> Record | None:
        """The file that this URL was or is being fetched to, if it is what the catalogue publishes here."""
        if not self.context.dedupe.knows(url, known_url=known_url):
            return None
        if self.job.previous is not None:
            self.context.dedupe.check_failed(url)
            return None
        record = await self.context.dedupe.existing(url, self._in_flight)
        fits = record is not None and await self.context.existing.fits(self.job.asset, record)
        return record if fits else None

    async def _linked(self, record: Record) -> Outcome:
        path, store = await self._final_path(PurePosixPath(record.path).suffix), self.context.store
        mtime = await store.link(record.path, path)
        here = record._replace(path=path, mtime_ns=mtime, proof=self._intake.expectations.proof(record.proof))
        return self.outcome(Status.FETCHED, here)

    async def _fetch(self) -> Outcome:
        keep = True
        try:
            if self._lane is None:
                await self._intake.take_up()
            return await self.context.retry(self._attempt, progress=self._progress, failed=self._note_retry)
        except TransferError as error:
            keep = error.retryable
            raise
        finally:
            # Whatever else ended it (success, Ctrl-C, a full disk): what is left is the next run's start.
            if self._made is not None:
                await (self._made.partial.keep if keep else self._made.partial.drop)()

    def _progress(self) -> int:
        return 0 if self._made is None else self._made.progress()

    def _note_retry(self, error: Transient) -> None:
        self.context.meter.retries += 1
        if isinstance(error, LocalShortage):
            shrink_pool()
        event = "throttle" if error.retry_after is not None else "retry"
        self.context.events.job(event, self.job, {"attempt": self.attempts, "error": error})

    async def _attempt(self) -> Outcome:
        """One try, from where the last one broke off if that is proven to be the same version."""
        self.attempts += 1
        while True:
            try:
                if (lane := self._lane) is not None:
                    self._lane = None
                    if (outcome := await self._express(lane)) is not None:
                        return outcome
                    continue
                await self._intake.partial.body.settled()
                if (head := await self._ask(self._intake.conditions(), self._intake)) is None:
                    continue
                if self._intake.unchanged and self.job.previous is not None:
                    known = self.job.previous
                    proof = self._intake.expectations.proof(known.proof)
                    return self.outcome(Status.SKIPPED, known._replace(proof=proof))
                return await self._committed(head)
            except AlreadyFetched as found:
                await self._intake.partial.drop()
                return await self._linked(found.record)
            except Corrupt as error:
                await self._intake.partial.body.settled()
                self._allow_once_more(error)
            except PartialLost:
                await self._intake.begin_anew()
                raise
            except StorageError as error:
                await self.context.store.recover(error)
                await self._intake.begin_anew()
            except TransferError as error:
                await self._renew(error)

    async def _ask(self, fields: Mapping[str, str], sink: SmallFileSink | Receiver) -> Head | None:
        """The answer, with all of the body; None if the rest of it is to be asked for once more."""
        request = Request(self._url, headers=fields)
        try:
            return await self._segments.complete(self.context.http.get(request, sink, self._redirected))
        except Transient:
            if isinstance(sink, SmallFileSink):
                sink.hand_over()
            raise

    async def _express(self, lane: SmallFileSink) -> Outcome | None:
        """The first attempt at a file that is likely to be small and ordinary; None as with `_ask`."""
        if (head := await self._ask(AS_STORED, lane)) is None:
            return None
        if (record := lane.record()) is None:
            return await self._committed(head)
        return Outcome(self.job, Status.FETCHED, record, attempts=self.attempts, received=record.size)

    def _allow_once_more(self, error: Corrupt) -> None:
        """Such damage is worth one more try, from the first byte; the rest is final."""
        if error.kind not in TWICE or self._mismatched:
            raise error
        self._mismatched = True
        self._intake.once_more(error)

    async def _renew(self, error: TransferError) -> None:
        """Go on with the present href of an asset whose old one has expired; else raise `error` again."""
        asset = self._intake.asset
        if not error.maybe_expired or not is_expiring(asset.href) or self._refreshes >= REFRESHES:
            raise error
        self._refreshes += 1
        fresh = await self.context.refresh(asset)
        if fresh is None or fresh.href == asset.href:
            raise error
        self._intake.expectations.asset = fresh
        self._url = parse(fresh.href)

    async def _redirected(self, url: str) -> None:
        key = canonical(url)
        self.urls = [*self.urls[:1], key]
        if (record := await self._shared(key)) is not None:
            raise AlreadyFetched(record)
        self.context.dedupe.begin(key, self._in_flight)

    async def _committed(self, head: Head) -> Outcome:
        """Check everything there is to check, then give the bytes their name: in this order, always."""
        intake = self._intake
        digests, proof = await intake.complete()
        deep = self.context.existing.checks.structure
        if deep or proof is Proof.NONE:
            body, sha256 = intake.partial.body, digests["sha256"]
            await intake.expectations.check_structure(body, sha256, intake.total, always=deep)
        path = await self._final_path(suffix(head.url)) if self.job.suffix_pending else self.job.path
        mtime = await intake.partial.commit(path)
        size = intake.partial.body.offset
        record = Record(path, size, digests["sha256"].hex(), mtime, proof, intake.validator)
        return self.outcome(Status.FETCHED, record)

    async def _final_path(self, late: str) -> str:
        """The place under DEST; `late`, the suffix of where the bytes came from, serves where it has none."""
        if not self.job.suffix_pending or not late:
            return self.job.path
        return await self.context.move(self.job.asset.identity, self.job.path + late)


@dataclass(frozen=True, slots=True)
class TransferContext:
    """What fetch works with; one for the whole run. `move` gives an asset a path with its late suffix."""

    http: Http
    store: Store
    retry: Retry
    dedupe: UrlDedupe
    refresh: Callable[[Asset], Awaitable[Asset | None]]
    move: Callable[[tuple[str, str, str], str], Awaitable[str]]
    meter: Meter
    events: Events
    existing: ExistingFiles
    small_files: bool = False
    quirks: OriginQuirks = field(default_factory=OriginQuirks)
    idle_slots: IdleSlots = field(default_factory=IdleSlots)
    segments: SegmentPolicy | None = None
