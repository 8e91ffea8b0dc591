"""The attempts to fetch one asset: requests, until the whole body has come or an error is final."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.concurrency import shrink_pool
from ..core.errors import Corrupt, LocalShortage, PartialLost, StorageError, TransferError, Transient
from ..core.model import Head, Job, Record, Request, Status
from ..core.urls import has_placeholder, is_expiring, parse
from ..http.client import OnRedirect
from ..http.decoding.body import AS_STORED
from .context import TransferContext
from .dedupe import AlreadyFetched
from .segments.coordinator import SegmentedDownload
from .small_file.checks import is_eligible
from .small_file.sink import SmallFileSink

if TYPE_CHECKING:
    from ..core.ports import BegunRequest, Sink
    from .receiver import Receiver

MAX_REFRESHES = 2
"""How often the present href is asked for where one has expired, per asset and run."""
REPEATABLE_DAMAGE = frozenset({"checksum-mismatch", "size-mismatch", "empty", "structure"})
"""Kinds of damage that may be due to one transfer: another one may bring the right bytes."""


class Attempts:
    """The attempts at one job. `run` them once; `attempts` and `received` tell what they took."""

    def __init__(
        self,
        job: Job,
        context: TransferContext,
        url: str,
        on_redirect: OnRedirect,
        begun: BegunRequest | None,
    ) -> None:
        """`on_redirect` is called with each URL that a redirect leads to; it may raise `AlreadyFetched`.
        `begun`: the first request was sent already."""
        self.attempts = 0
        self.received = 0
        """bytes that came over the network, when `run` has ended"""
        self._job = job
        self._context = context
        self._url = url
        self._address = url
        """without a signature that an API has given"""
        self._auth = job.asset.schemes(job.asset.href)
        self._needs_signature = bool(self._auth)
        self._on_redirect = on_redirect
        self._begun = begun
        self._segments = SegmentedDownload(context.segments)
        self._receiver: Receiver | None = None
        self._small: SmallFileSink | None = None
        store = context.store
        if context.small_files and is_eligible(job) and not store.has_partial(job.asset.identity):
            self._small = SmallFileSink(job, store, context.meter, self._receiving)
        self._refreshes = 0
        self._found_damage = False
        self._others = [*job.asset.others]
        self._refusal: TransferError | None = None
        """why the first of several addresses did not give the asset"""
        self.via = job.asset.via
        """which of the asset's addresses is used"""

    def _receiving(self) -> Receiver:
        """The receiver, made when it is needed: most small files do without."""
        if self._receiver is None:
            from .receiver import Receiver

            self._receiver = Receiver(self._job, self._context, self._segments)
        return self._receiver

    async def run(self) -> tuple[Status, Record]:
        """Attempt it by the policy of the run. Raises the last error if none succeeds.

        However it ends, what is left in the partial file is kept for the next run, but for an error that
        another run would meet as well.
        """
        keep = True
        try:
            if self._small is None:
                await self._receiving().adopt_partial()
            return await self._context.retry(self._attempt, progress=self._progress, failed=self._note_retry)
        except TransferError as error:
            keep = error.retryable
            raise
        finally:
            if self._receiver is not None:
                self.received, partial = self._receiver.received, self._receiver.partial
                await (partial.keep if keep else partial.drop)()

    def _progress(self) -> int:
        return 0 if self._receiver is None else self._receiver.progress()

    def _note_retry(self, error: Transient) -> None:
        self._context.meter.retries += 1
        self._context.meter.throttles += error.retry_after is not None
        if isinstance(error, LocalShortage):
            shrink_pool()
        event = "throttle" if error.retry_after is not None else "retry"
        self._context.events.job(event, self._job, {"attempt": self.attempts, "error": error})

    async def _attempt(self) -> tuple[Status, Record]:
        """One attempt, from where the last one broke off if the bytes are proven to be of one version.

        It takes more than one request where the next one may succeed at once: bytes between segments are
        missing, a body was damaged for the first time, the disk has space again, or a new href was found.
        """
        self.attempts += 1
        while True:
            small, self._small = self._small, None
            try:
                head = await self._request(small)
                if head is None:
                    continue
                if small is not None and (record := small.record()) is not None:
                    self.received = record.size
                    return Status.FETCHED, record
                receiver = self._receiving()
                if (known := self._job.previous) is not None and receiver.unchanged:
                    proof = receiver.expectations.proof(known.proof)
                    return Status.SKIPPED, known._replace(proof=proof)
                return Status.FETCHED, await self._commit(receiver, head)
            except AlreadyFetched as found:
                if self._receiver is not None:
                    await self._receiver.partial.drop()
                return Status.FETCHED, await self._link(found.record)
            except Corrupt as error:
                await self._restart_after(error)
            except PartialLost:
                await self._receiving().restart_in_new_file()
                raise
            except StorageError as error:
                await self._context.store.recover(error)
                await self._receiving().restart_in_new_file()
            except TransferError as error:
                if not await self._refresh_url(error):
                    self._use_other_address(error)

    async def _commit(self, receiver: Receiver, head: Head) -> Record:
        from .commit import commit_body

        return await commit_body(receiver, head, self._context)

    async def _link(self, record: Record) -> Record:
        from .commit import link_file

        return await link_file(self._job, record, self._context)

    async def _request(self, small: SmallFileSink | None) -> Head | None:
        """The head of an answer, its body received to the end; None if bytes are still to be asked for."""
        if not self._refreshes and has_placeholder(self._url):  # of a saved plan
            await self._take_present_href()
        sink: Sink
        if small is not None:
            sink, fields = small, AS_STORED
        else:
            sink = receiver = self._receiving()
            if self._needs_signature:
                await self._sign_url()
            fields = await receiver.next_fields()
        request = Request(self._url, headers=fields, begun=self._begun, auth=self._auth)
        self._begun = None
        answer = self._context.http.get(request, sink, self._on_redirect)
        try:
            head = await self._segments.complete(answer)
            return None if self._asks_again() else head
        except Transient:
            if small is not None:
                small.hand_over()
            raise

    def _asks_again(self) -> bool:
        if (receiver := self._receiver) is None:
            return False
        receiver.joined |= self._segments.joined
        self._segments.joined = False
        return receiver.asks_again()

    async def _restart_after(self, error: Corrupt) -> None:
        """Begin again with the first byte, once, where that may help, or at another address; else raise."""
        receiver = self._receiving()
        await receiver.partial.body.settled()
        if error.kind in REPEATABLE_DAMAGE and not self._found_damage:
            self._found_damage = True
        elif self._others:
            self._use_other_address(error)
            self._found_damage = False
        else:
            raise error
        receiver.restart_after(error)

    async def _refresh_url(self, error: TransferError) -> bool:
        """Whether there is a present href, where the one that was used may have expired."""
        if not error.maybe_expired or self._refreshes >= MAX_REFRESHES:
            return False
        if self._url != self._address and not self._needs_signature:
            self._refreshes += 1
            self._needs_signature = True
            return True
        return is_expiring(self._receiving().asset.href) and await self._take_present_href()

    async def _take_present_href(self) -> bool:
        """Whether the asset has another href now."""
        receiver = self._receiving()
        asset = receiver.asset
        self._refreshes += 1
        fresh = await self._context.refresh(asset)
        if fresh is None or fresh.href == asset.href:
            return False
        receiver.expectations.asset = fresh
        self._url = self._address = parse(fresh.href)
        return True

    async def _sign_url(self) -> None:
        """Go on at a signed URL, where the catalogue names an API for that and the user trusts it."""
        signed = await self._context.http.sign_url(self._address, self._auth)
        self._needs_signature = False
        if signed is not None:
            receiver = self._receiving()
            receiver.expectations.asset = receiver.asset._replace(href=signed)
            self._url = signed

    def _use_other_address(self, error: TransferError) -> None:
        """Go on with the next address of the asset where this one has failed for good; else raise.

        Where none is left, the first refusal is raised: it is that of the best address.
        """
        if isinstance(error, Transient):
            raise error
        explain_refusal(error, self.via)
        if self._auth and (error.maybe_unsigned or error.kind == "wrong-content"):
            from ..http.auth.declared.advice import advise

            advise(error, self._auth, self._url, self._context.http.trusted)
        self._refusal = self._refusal or error
        if not self._others:
            raise self._refusal
        href, via = self._others.pop(0)
        receiver = self._receiving()
        receiver.restart()
        self._url, self.via = parse(href), f"{via or 'href'} after {error.kind}"
        self._address, self._auth = self._url, self._job.asset.schemes(href)
        self._needs_signature = bool(self._auth)
        receiver.expectations.asset = receiver.asset._replace(href=href)


def explain_refusal(error: TransferError, via: str) -> None:
    """Say what can be done where an object store refuses access to an object."""
    if error.denied and via and not error.signed:
        error.message += (
            f'; this is the address "{via}" of the asset, which is read without keys: the store wants some, '
            "or wants the reader to pay"
        )
