"""The transfer of one asset: it is there already, or another transfer has its bytes, or it is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import Fatal, LocalShortage, MlhubError, TransferError
from ..core.model import AFTER_REFERENCE, REFERENCE_VIA, Job, Outcome, Record, Status
from ..core.urls import canonical, is_expiring, parse, redacted
from .attempts import Attempts
from .context import TransferContext
from .dedupe import AlreadyFetched, InFlight

if TYPE_CHECKING:
    from ..core.ports import BegunRequest


async def fetch(
    job: Job, context: TransferContext, begun: BegunRequest | None = None, own: InFlight | None = None
) -> tuple[Outcome, str]:
    """Bring one asset to its path. Returns what became of it, and the URL that its bytes are known by.

    `begun`: its request was sent already. `own`: how other transfers of its URL know it already. An expected
    failure is an outcome; only `Fatal` errors, bugs and cancellation are raised.
    """
    if (busy := context.store.backpressure()) is not None:
        await busy
    transfer = Transfer(job, context, begun, own)
    try:
        outcome = await transfer.run()
    except Fatal:
        raise
    except LocalShortage as error:
        raise error.as_fatal() from None
    except MlhubError as error:
        if job.asset.optional and job.previous is None and getattr(error, "absent", False):
            outcome = transfer.outcome(Status.ABSENT, None)
        else:
            record = job.previous if error.kind == "exists" else None
            outcome = transfer.outcome(Status.FAILED, record, error.without_traceback())
    return outcome, transfer.urls[-1] if transfer.urls else redacted(job.asset.href)


class Transfer:
    """One job under way. `urls`: the canonical URLs of its bytes, that of the asset and the final one."""

    def __init__(
        self, job: Job, context: TransferContext, begun: BegunRequest | None, own: InFlight | None
    ) -> None:
        self.urls: list[str] = []
        self._job = job
        self._context = context
        self._begun = begun
        self._in_flight = own or InFlight()
        self._attempts = self._received = 0
        self._via = job.asset.via
        self._trouble = ""
        """which reference failed, and how"""

    async def run(self) -> Outcome:
        """Raises what makes the asset fail. Transfers of the same URL wait until this one has ended."""
        context, record = self._context, None
        try:
            url = parse(self._job.asset.href)
            self.urls = [canonical(url)]
            if self._job.previous is not None:
                self._job = await context.existing.review(self._job)
            if (kept := await context.existing.kept(self._job)) is not None:
                status, record = Status.SKIPPED, kept
            elif (shared := await self._shared(self.urls[0], known_url=self._job.known_url)) is not None:
                from .commit import link_file

                status, record = Status.FETCHED, await link_file(self._job, shared, context)
            elif (brought := await self._from_references(url)) is not None:
                status, record = brought
            elif self._job.asset.unavailable:
                where = f"{redacted(url)}: {self._job.asset.unavailable}"
                raise TransferError(where, kind="unavailable")
            else:
                context.dedupe.begin(self.urls[0], self._in_flight)
                status, record = await self._fetch(self._job, url)
            return self.outcome(status, record)
        except TransferError as error:
            if self.urls and not (error.maybe_expired and is_expiring(self._job.asset.href)):
                context.dedupe.fail(self.urls[0], error)
            raise
        finally:
            context.dedupe.end(self._in_flight, self.urls, record)

    async def _from_references(self, url: str) -> tuple[Status, Record] | None:
        """The file as other mirrors have it, if they have it and it is proven; None: the origin is asked."""
        job, references = self._job, self._context.references
        if references is None or not references.may_have(job):
            return None
        self._context.dedupe.begin(self.urls[0], self._in_flight)

        async def ask(version: Record) -> tuple[Status, Record, str]:
            status, record = await self._fetch(job._replace(previous=version), url)
            return status, record, self.urls[-1]

        brought = await references.bring(job, ask)
        self._trouble = brought.trouble
        if brought.record is None:
            return None
        if brought.reference:
            self._attempts, self._received = 1, brought.received
            self._via, self._trouble = f"{REFERENCE_VIA}{brought.reference}", ""
        return brought.status, brought.record

    async def _fetch(self, job: Job, url: str) -> tuple[Status, Record]:
        attempts = Attempts(job, self._context, url, self._redirected, self._begun)
        try:
            return await attempts.run()
        finally:  # they refer to this transfer, which keeps no more of them than this
            self._attempts, self._received, self._via = attempts.attempts, attempts.received, attempts.via

    def outcome(self, status: Status, record: Record | None, error: MlhubError | None = None) -> Outcome:
        job, via = self._job, self._via
        if self._trouble:
            via = f"{via or 'href'}{AFTER_REFERENCE}{self._trouble}"
        if via != job.asset.via:
            job = job._replace(asset=job.asset._replace(via=via))
        return Outcome(job, status, record, error, self._attempts, self._received)

    async def _shared(self, url: str, *, known_url: bool = True) -> Record | None:
        """The file that a URL is or was fetched to, if it is what the catalogue publishes for this asset.

        Raises `TransferError` if the URL has failed in this run.
        """
        context = self._context
        if not context.dedupe.knows(url, known_url=known_url):
            return None
        if self._job.previous is not None:
            context.dedupe.check_failed(url)
            return None
        record = await context.dedupe.existing(url, self._in_flight)
        fits = record is not None and await context.existing.fits(self._job.asset, record)
        return record if fits else None

    async def _redirected(self, url: str | None) -> None:
        if url is None:  # only the URL of the asset tells what comes
            self.urls = self.urls[:1]
            self._context.dedupe.withdraw(self._in_flight, self.urls[0])
            return
        url = canonical(url)
        self.urls = [*self.urls[:1], url]
        if (record := await self._shared(url)) is not None:
            raise AlreadyFetched(record)
        self._context.dedupe.begin(url, self._in_flight)
