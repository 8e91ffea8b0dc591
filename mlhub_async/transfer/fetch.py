"""fetch: one asset from open to commit. What an answer means for the bytes is `intake`'s to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..core.concurrency import Places, fewer
from ..core.errors import Corrupt, Fatal, MlhubError, Shortage, StorageError, Taken, TransferError, Transient
from ..core.model import Asset, Head, Job, Outcome, Proof, Record, Request, Status
from ..core.telemetry import Events, Meter
from ..core.urls import canonical, expiring, parse, redacted, suffix
from ..http.client import Http
from ..http.decoding import AS_STORED
from ..http.resilience.retry import Retry
from ..storage.local.disk_space import patiently
from ..storage.local.store import LocalStore
from .dedupe import Flight, Sharing
from .existing import Keeping
from .receiver import Intake
from .resume import Hosts
from .segments.coordinator import Ranges
from .segments.stream import Met
from .small_file import Express, ordinary

REFRESHES = 2
"""How often an expired href is asked for anew, per asset and run."""
TWICE = frozenset({"checksum-mismatch", "size-mismatch", "empty", "structure"})
"""Kinds of damage that may be of one transfer's making, so that another one may bring the right bytes."""
EXPIRED = frozenset({400, 401, 403, 404, 410})


async def fetch(job: Job, kit: Kit) -> tuple[Outcome, str]:
    """Bring one asset to its place. Returns what became of it and the URL its bytes are known by.

    An expected failure is an outcome; only `Fatal` errors, bugs and cancellation leave by exception.
    """
    if kit.store.room.full is not None:
        await kit.store.room.opened()
    transfer = Transfer(job, kit)
    try:
        outcome = await transfer.run()
    except Fatal:
        raise
    except Shortage as error:
        raise error.for_good() from None
    except MlhubError as error:
        here = job.known if error.kind == "exists" else None
        outcome = transfer.outcome(Status.FAILED, here, error.alone())
    return outcome, transfer.urls[-1] if transfer.urls else redacted(job.asset.href)


class _Elsewhere(Exception):
    """A redirect leads to bytes that are on disk already."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.path)
        self.record = record


class Transfer:
    """One job under way."""

    def __init__(self, job: Job, kit: Kit) -> None:
        self.job = job
        self.kit = kit
        self.urls: list[str] = []
        self._url = ""
        self.attempts = 0
        self._made: Intake | None = None
        express = kit.express and ordinary(job) and not kit.store.left_over(job.asset.identity)
        self._lane = Express(job, kit.store, kit.meter, lambda: self._intake) if express else None
        self._flight = Flight()
        self._refreshes = 0
        self._mismatched = False

    @property
    def _intake(self) -> Intake:
        """Made when it is needed: the express lane gets by without."""
        if self._made is None:
            kit = self.kit
            compares = kit.keeping.check_digests
            self._made = Intake(self.job, kit.store, kit.meter, kit.hosts, kit.ranges, check_digests=compares)
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
            if self.job.known is not None:
                self.job = await self.kit.keeping.reviewed(self.job)
            if (here := await self.kit.keeping.already_here(self.job)) is not None:
                outcome = self.outcome(Status.SKIPPED, here)
            elif (shared := await self._shared(self.urls[0], elsewhere=self.job.elsewhere)) is not None:
                outcome = await self._linked(shared)
            else:
                self.kit.sharing.take_off(self.urls[0], self._flight)
                outcome = await self._fetch()
            record = outcome.record
            return outcome
        finally:
            self.kit.sharing.land(self._flight, self.urls, record)

    async def _shared(self, url: str, *, elsewhere: bool = True) -> Record | None:
        """The file that this URL was or is being fetched to, if it is what the catalogue promises here."""
        if not self.kit.sharing.knows(url, elsewhere=elsewhere) or self.job.known is not None:
            return None
        record = await self.kit.sharing.existing(url, self._flight)
        fits = record is not None and await self.kit.keeping.suits(self.job.asset, record)
        return record if fits else None

    async def _linked(self, record: Record) -> Outcome:
        path, store = await self._final_path(PurePosixPath(record.path).suffix), self.kit.store
        mtime = await patiently(store.room.wait, lambda: store.duplicate(record.path, path))
        here = record._replace(path=path, mtime_ns=mtime, proof=self._intake.promises.proof(record.proof))
        return self.outcome(Status.FETCHED, here)

    async def _fetch(self) -> Outcome:
        keep = True
        try:
            if self._lane is None:
                await self._intake.take_up()
            return await self.kit.retry(self._attempt, progress=self._progress, failed=self._note_retry)
        except TransferError as error:
            keep = error.retryable
            raise
        finally:
            # Whatever else ended it (success, Ctrl-C, a full disk): what is left is the next run's start.
            if self._made is not None:
                await (self.kit.store.keep if keep else self.kit.store.drop)(self._made.draft)

    def _progress(self) -> int:
        return 0 if self._made is None else self._made.progress()

    def _note_retry(self, error: Transient) -> None:
        self.kit.meter.retries += 1
        if isinstance(error, Shortage):
            fewer()
        event = "throttle" if error.retry_after is not None else "retry"
        self.kit.events.job(event, self.job, {"attempt": self.attempts, "error": error})

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
                await self._intake.draft.body.settled()
                if (head := await self._ask(self._intake.conditions(), self._intake)) is None:
                    continue
                if self._intake.unchanged and self.job.known is not None:
                    known = self.job.known
                    proof = self._intake.promises.proof(known.proof)
                    return self.outcome(Status.SKIPPED, known._replace(proof=proof))
                return await self._committed(head)
            except _Elsewhere as elsewhere:
                await self.kit.store.drop(self._intake.draft)
                return await self._linked(elsewhere.record)
            except Corrupt as error:
                await self._intake.draft.body.settled()
                self._allow_once_more(error)
            except Taken:
                await self._intake.begin_anew()
                raise
            except StorageError as error:
                await self.kit.store.outlast(error)
                await self._intake.begin_anew()
            except TransferError as error:
                await self._renew(error)

    async def _ask(self, fields: Mapping[str, str], sink: Express | Intake) -> Head | None:
        """The answer, with all of the body; None if the rest of it is to be asked for once more."""
        try:
            return await self.kit.http.get(Request(self._url, headers=fields), sink, self._redirected)
        except (Met, Transient) as end:
            if isinstance(sink, Express):
                sink.hand_over()
            if (parts := self._intake.parts) is None:
                raise
            return await parts.carried_on(end)
        finally:
            if self._made is not None and self._made.parts is not None:
                await self._made.parts.end()

    async def _express(self, lane: Express) -> Outcome | None:
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
        if error.status not in EXPIRED or not expiring(asset.href) or self._refreshes >= REFRESHES:
            raise error
        self._refreshes += 1
        fresh = await self.kit.refresh(asset)
        if fresh is None or fresh.href == asset.href:
            raise error
        self._intake.promises.asset = fresh
        self._url = parse(fresh.href)

    async def _redirected(self, url: str) -> None:
        key = canonical(url)
        self.urls = [*self.urls[:1], key]
        if (record := await self._shared(key)) is not None:
            raise _Elsewhere(record)
        self.kit.sharing.take_off(key, self._flight)

    async def _committed(self, head: Head) -> Outcome:
        """Check everything there is to check, then give the bytes their name: in this order, always."""
        intake = self._intake
        digests, proof = await intake.complete()
        if self.kit.keeping.deep or proof is Proof.NONE:
            body, sha256 = intake.draft.body, digests["sha256"]
            await intake.promises.inspect(body, sha256, intake.total, always=self.kit.keeping.deep)
        path = await self._final_path(suffix(head.url)) if self.job.open_ended else self.job.path
        mtime = await self.kit.store.commit(intake.draft, path)
        size = intake.draft.body.offset
        record = Record(path, size, digests["sha256"].hex(), mtime, proof, intake.validator)
        return self.outcome(Status.FETCHED, record)

    async def _final_path(self, late: str) -> str:
        """The place under DEST; `late`, the suffix of where the bytes came from, serves where it has none."""
        if not self.job.open_ended or not late:
            return self.job.path
        return await self.kit.move(self.job.asset.identity, self.job.path + late)


@dataclass(frozen=True, slots=True)
class Kit:
    """What fetch works with; one for the whole run. `move` gives an asset a path with its late suffix."""

    http: Http
    store: LocalStore
    retry: Retry
    sharing: Sharing
    refresh: Callable[[Asset], Awaitable[Asset | None]]
    move: Callable[[tuple[str, str, str], str], Awaitable[str]]
    meter: Meter
    events: Events
    keeping: Keeping
    express: bool = False
    hosts: Hosts = field(default_factory=Hosts)
    places: Places = field(default_factory=Places)
    ranges: Ranges | None = None
