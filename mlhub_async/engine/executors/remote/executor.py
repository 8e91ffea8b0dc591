"""The executor whose jobs workers carry out. The coordinator lists, plans, keeps the ledger and the limits.

A job goes to a worker if nothing that it needs is here. What other assets have brought, files of an earlier
run with the same URL, archives and local files are dealt with in this process, by the local executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import warnings
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ....core.concurrency import FirstErrorGroup, run_to_end
from ....core.errors import Fatal, MlhubError, ReferenceWarning, TransferError
from ....core.model import Document, Job, Outcome, Status
from ....core.urls import has_placeholder, identify, is_expiring, redacted
from ....http.resilience.concurrency import MAX_LIMIT
from ....http.resilience.shared.leases import Leases
from ....http.resilience.shared.messages import GateState, gate_report, plain
from ....transfer.context import TransferContext
from ....transfer.dedupe import InFlight
from ..local import LocalExecutor
from .assignments import Assignment, Assignments
from .frames import Message
from .liveness import Liveness
from .pool import WorkerPool
from .settings import WorkerSettings
from .wire import pack_asset, pack_error, pack_job, unpack_asset, unpack_error, unpack_outcome

if TYPE_CHECKING:
    from ....core.ports import PartialFiles, Settle, Settled, Submit

Produce = Callable[["Submit"], Awaitable[None]]
TICK_SECONDS = 0.1
SOON_SECONDS = 0.005
"""So long a few jobs wait for more before they are sent."""
GIVE_EVERY = 16
"""Workers are looked at once for so many jobs: that costs more than the job does."""


class RemoteExecutor:
    """See `ports.Executor`. `local` carries out what no worker can; `pool` has the workers."""

    def __init__(
        self,
        local: LocalExecutor,
        context: TransferContext,
        pool: WorkerPool,
        settings: WorkerSettings,
        partials: PartialFiles,
        liveness: Liveness | None = None,
    ) -> None:
        self._local = local
        self._context = context
        self._pool = pool
        self._settings = settings
        self._partials = partials
        self._leases = Leases(context.http.limits, self._send_state)
        self._assignments = Assignments(self._send_jobs, settings.options.concurrency or MAX_LIMIT)
        self._liveness = liveness or Liveness()
        self._numbers = itertools.count()
        self._warned: set[str] = set()
        self._names: dict[int, str] = {}
        """what the partial files of a worker begin with"""
        self._schemes: list[tuple[Any, ...]] = []
        self._unsettled = 0
        self._inbox: list[Settled] = []
        self._failure: BaseException | None = None
        self._changed, self._has_settled = asyncio.Event(), asyncio.Event()
        self._soon: asyncio.TimerHandle | None = None
        self._draining = False

    async def run(self, produce: Produce, settle: Settle) -> None:
        """Raises what a worker raises that ends the run, as well as what `LocalExecutor.run` raises."""
        stop = True
        try:
            await self._local.run(partial(self._run, produce, settle), settle)
            stop = False
        finally:
            await run_to_end(self._close(settle, stop=stop))

    async def _run(self, produce: Produce, settle: Settle, submit: Submit) -> None:
        async with FirstErrorGroup() as group:
            self._group = group
            tasks = [group.create_task(self._tick()), group.create_task(self._settle_all(settle))]
            self._learn_schemes()
            await self._pool.start(self._settings, self)
            try:
                await produce(partial(self._submit, submit))
                self._draining = True
                self._give_all()
                while self._unsettled:
                    await self._change()
            finally:
                for task in tasks:
                    task.cancel()

    async def _close(self, settle: Settle, *, stop: bool) -> None:
        """End the workers, and record what they have finished meanwhile."""
        if self._soon is not None:
            self._soon.cancel()
        await self._pool.close(stop=stop)
        if self._inbox:
            with contextlib.suppress(MlhubError):  # the run ends by another one
                await settle(self._inbox)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _learn_schemes(self) -> None:
        """Tell the workers what documents say of authentication."""
        http = self._context.http
        learn = http.on_schemes

        def on_schemes(document: Document) -> None:
            learn(document)
            body = document.body if isinstance(document.body, dict) else {}
            kept = {name: body[name] for name in ("links", "auth:schemes", "properties") if name in body}
            told = (kept, document.url, "")
            if told not in self._schemes:
                self._schemes.append(told)
                for worker in self._assignments.workers:
                    self._pool.send(worker, ("schemes", told))

        http.on_schemes = on_schemes

    async def _submit(self, submit: Submit, job: Job) -> None:
        if (own := self._transfer_elsewhere(job)) is None:
            await submit(job)
            return
        self._unsettled += 1
        backlog = self._assignments.backlog
        backlog.append(Assignment(next(self._numbers), job, own))
        is_full = self._assignments.is_full(self._unsettled)
        if is_full or len(backlog) % GIVE_EVERY == 0:
            self._give()
        elif self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_SECONDS, self._give_all)
        while is_full and self._assignments.is_full(self._unsettled):
            await self._change()

    def _transfer_elsewhere(self, job: Job) -> InFlight | None:
        """How others know the transfer of a job by a worker; None if it is to be dealt with here."""
        href, context = job.asset.href, self._context
        if href[:4] != "http" or job.asset.unavailable or context.http.archives:
            return None
        try:
            url = identify(href)
        except TransferError:
            return None
        own = InFlight()
        if job.previous is not None:
            context.dedupe.begin(url, own)
            return own
        if has_placeholder(href) or not context.dedupe.begin_first(url, own, known_url=job.known_url):
            return None
        return own

    def _give(self) -> None:
        self._assignments.give()
        if self._assignments.backlog and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_SECONDS, self._give_all)

    def _give_all(self) -> None:
        self._soon = None
        self._assignments.give(all_of_them=True)
        if self._draining and not self._assignments.waiting:
            for worker in self._assignments.workers:
                self._pool.send(worker, ("draining",))
        self._changed.set()

    def _send_jobs(self, worker: int, frame: list[Assignment]) -> None:
        given = self._partials.give_partial_away if self._partials.has_partials else None
        for one in frame:
            one.partial = given(one.job.asset.identity) if given is not None else ""
        self._pool.send(worker, ("jobs", [pack_job(one.number, one.job, one.partial) for one in frame]))

    def _send_state(self, worker: int, state: GateState) -> None:
        self._pool.send(worker, ("gate", plain(state)))

    def joined(self, worker: int) -> None:
        """See `pool.Coordinator`."""
        self._liveness.hear(worker)
        self._assignments.join(worker)
        for told in self._schemes:
            self._pool.send(worker, ("schemes", told))
        self._give()

    def lost(self, worker: int) -> None:
        try:
            self._lose(worker)
        except Exception as error:
            self.failed(error)

    def _lose(self, worker: int) -> None:
        self._liveness.forget(worker)
        self._leases.lost(worker)
        for one in self._assignments.workers[worker].jobs.values():
            if one.partial:  # it may have ended before it took that
                self._partials.adopt_partial(one.job.asset.identity, one.partial)
        if names := self._names.pop(worker, ""):
            self._partials.find_partials_of(names)
        for one in self._assignments.lose(worker):
            message = f"{redacted(one.job.asset.href)}: the process that transfers it ends, and did so twice"
            error = TransferError(message, kind="worker-lost")
            self._take((Outcome(one.job, Status.FAILED, error=error), redacted(one.job.asset.href)), one)
        self._has_settled.set()
        self._give_all()

    def failed(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._has_settled.set()

    def received(self, worker: int, message: Message) -> None:
        self._liveness.hear(worker)
        try:
            self._receive(worker, message)
        except Exception as error:
            self.failed(error)

    def _receive(self, worker: int, message: Message) -> None:
        kind = message[0]
        if kind == "done":
            self._take_outcomes(worker, message[1])
            for name, number in message[2].items():
                setattr(self._context.meter, name, getattr(self._context.meter, name) + number)
            for fields in message[3]:
                self._leases.report(worker, gate_report(fields))
        elif kind == "event":
            self._context.events.relay(message[1])
        elif kind == "warning":
            self._warn(*message[1:])
        elif kind == "ask":
            answer = self._answer(worker, *message[1:])
            try:
                self._group.create_task(answer)
            except RuntimeError:  # the group is shutting down
                answer.close()
        elif kind == "hello":
            self._names[worker] = message[1]
        elif kind == "fatal":
            _, error, trace = message
            self.failed(
                RuntimeError(f"a bug in a worker:\n{trace}") if error is None else unpack_error(error)
            )

    def _warn(self, of_reference: bool, words: str) -> None:
        """Give a warning of a worker once, whichever of them have it."""
        if words not in self._warned:
            self._warned.add(words)
            warnings.warn(words, ReferenceWarning if of_reference else UserWarning, stacklevel=2)

    def _take_outcomes(self, worker: int, packed: Sequence[tuple[Any, ...]]) -> None:
        for fields in packed:
            if (one := self._assignments.settle(worker, fields[0])) is not None:
                self._take(unpack_outcome(fields, one.job), one)
        self._has_settled.set()
        self._give()
        self._changed.set()

    def _take(self, settled: Settled, one: Assignment) -> None:
        (outcome, url), own, dedupe = settled, one.own, self._context.dedupe
        assert own is not None
        error, href = outcome.error, one.job.asset.href
        if isinstance(error, TransferError) and not (error.maybe_expired and is_expiring(href)):
            dedupe.fail(own.urls[0] if own.urls else url, error)
        dedupe.end(own, (*own.urls, url), outcome.record if error is None else None)
        self._inbox.append(settled)

    async def _settle_all(self, settle: Settle) -> None:
        while True:
            await self._has_settled.wait()
            self._has_settled.clear()
            batch, self._inbox = self._inbox, []
            if batch:
                await settle(batch)
                self._unsettled -= len(batch)
                self._changed.set()
            if self._failure is not None:
                raise self._failure

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._leases.tick()
            self._assignments.measure()
            self._give()
            for worker in self._liveness.silent():
                self._pool.give_up(worker)

    async def _answer(self, worker: int, number: int, question: str, value: Any) -> None:
        answer: Any = None
        failure = None
        try:
            answer = await self._found(question, value)
        except Fatal:
            raise
        except MlhubError as error:
            failure = pack_error(error)
        self._pool.send(worker, ("reply", number, failure, answer))

    async def _found(self, question: str, value: Any) -> Any:
        limiter = self._context.http.limits.rate_limiter
        if question == "turn":
            while (wait := limiter.turn()) > 0:
                await limiter.wait_for_turn(wait)
            limiter.took_turn()
        elif question == "pay":
            if (pause := limiter.pay(value[0], document=value[1])) is not None:
                await pause
        elif question == "refresh":
            fresh = await self._context.refresh(unpack_asset(value))
            return None if fresh is None else pack_asset(fresh)
        elif question == "move":
            return await self._context.move(tuple(value[0]), value[1])
        return None
