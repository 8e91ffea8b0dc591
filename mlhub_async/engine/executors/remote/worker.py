"""A worker: carries out the jobs that a coordinator sends, in its own event loop, over its own connections.

What it may do is said by the coordinator (`http.resilience.shared`), who alone writes ledger, documents and
receipt. The worker writes files: partial file, checks, rename, as in a run of one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....core.concurrency import IdleSlots
from ....core.errors import MlhubError
from ....core.model import Asset, Document, Job
from ....core.telemetry import Events, Meter
from ....http.resilience.configured import outage_policy
from ....http.resilience.shared.leased import REPORT_SECONDS, LeasedLimits, LeasedRateLimiter
from ....http.resilience.shared.messages import gate_state, plain
from ....transfer.context import TransferContext
from ....transfer.dedupe import UrlDedupe
from ....transfer.existing import ExistingFiles
from ....transfer.resume import OriginQuirks
from ....transfer.segments.coordinator import segment_policy
from ...connect import open_http, store_at
from ..local import LocalExecutor, opened_references, with_references
from .settings import WorkerSettings
from .wire import pack_asset, pack_error, pack_outcome, unpack_asset, unpack_error, unpack_job

if TYPE_CHECKING:
    from ....core.ports import Place, Settled, Submit
    from ....http.client import Http
    from ....http.resilience.shared.messages import GateReport
    from ..references.found import Reference

Message = tuple[Any, ...]
"""Its kind, and what belongs to that."""
FLUSH_SECONDS = 1.2 * REPORT_SECONDS
FLUSH_OUTCOMES = 100
"""Outcomes are sent when there are so many, with a report of the gates, or after so many seconds."""
COUNTERS = ("received", "retries", "throttles", "restarts")
"""Fields of `Meter` that a worker counts."""


class RelayedEvents(Events):
    """Sends events to the coordinator; if nobody listens there, only those that are logged."""

    def __init__(self, send: Callable[[Message], None], *, observed: bool) -> None:
        super().__init__(self._relay if observed else None)
        self._send = send

    def _relay(self, event: dict[str, object]) -> None:
        self._send(("event", event))

    def emit(self, event: str, **fields: object) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._relay({"event": event, "ts": now, **fields})


class Worker:
    """One worker. `send` takes messages for the coordinator; `receive` those that came from it.

    `run` returns when the coordinator has said that there are no more jobs, or that the worker is to stop.
    """

    def __init__(self, settings: WorkerSettings, send: Callable[[Message], None]) -> None:
        self._settings = settings
        self._send = send
        self._jobs: deque[Job] = deque()
        self._partials: dict[tuple[str, str, str], str] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._outcomes: list[tuple[Any, ...]] = []
        self._flushing: asyncio.TimerHandle | None = None
        self._alive: asyncio.TimerHandle | None = None
        self._questions = itertools.count()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()
        self._ended = self._draining = False
        self._meter = Meter()
        self._told = dict.fromkeys(COUNTERS, 0)
        self._limits = self._make_limits()
        self._http: Http | None = None
        self._task: asyncio.Task[Any] | None = None
        self._idle_slots = IdleSlots()

    def _make_limits(self) -> LeasedLimits:
        options = self._settings.options
        limiter = LeasedRateLimiter(
            self._ask,
            by_requests=options.tpslimit is not None,
            by_bytes=options.bwlimit is not None or options.max_transfer is not None,
        )
        return LeasedLimits(self._flush, limiter, outage_policy(options))

    async def run(self) -> None:
        """Raises what ends the whole run: `Fatal` errors and bugs."""
        self._task = asyncio.current_task()
        settings, options = self._settings, self._settings.options
        environ = os.environ if settings.environ is None else settings.environ
        opening = open_http(settings.location, options, environ, self._limits)
        async with opening as http:
            self._http = http
            for document in settings.schemes:
                http.on_schemes(Document(*document))
            with contextlib.closing(store_at(settings.dest, options)) as store:
                store.open_beside(renames_set_time=settings.renames_set_time)
                self._send(("hello", store.partial_names))
                self._limits.start()
                self._tell_alive()
                try:
                    dest, rates = Path(settings.dest), self._limits.rate_limiter
                    async with opened_references(options, environ, dest, rates) as references:
                        await self._executor(http, store, references).run(self._produce, self._settle)
                finally:
                    self._limits.stop()
                    if self._alive is not None:
                        self._alive.cancel()
                    self._flush()

    def _tell_alive(self) -> None:
        """Send a message now and then: a transfer may take longer than a coordinator waits for a word."""
        self._send(("alive",))
        self._alive = asyncio.get_running_loop().call_later(self._settings.alive_seconds, self._tell_alive)

    def _executor(self, http: Http, store: Any, references: Sequence[Reference]) -> LocalExecutor:
        options, meter = self._settings.options, self._meter
        existing = ExistingFiles.of(store, options.if_exists, options.verify)
        quirks, idle_slots = OriginQuirks(), self._idle_slots
        self._adopt = store.adopt_partial
        context = TransferContext(
            http=http,
            store=store,
            retry=http.retry,
            dedupe=UrlDedupe(None),
            refresh=self._refresh,
            move=self._move,
            meter=meter,
            events=RelayedEvents(self._send, observed=self._settings.observed),
            existing=existing,
            small_files=store.small_bytes > 0 and existing.checks.digests_only,
            quirks=quirks,
            idle_slots=idle_slots,
            segments=segment_policy(options.parts, http, meter, quirks, idle_slots),
        )
        return LocalExecutor(with_references(context, references), options.concurrency)

    def receive(self, message: Message) -> None:
        """Take a message of the coordinator, in the event loop."""
        kind = message[0]
        if kind == "jobs":
            self._take(message[1])
        elif kind == "gate":
            self._limits.obey(gate_state(message[1]))
            if self._idle_slots.pool is not None:
                self._idle_slots.pool.fill()  # there may be more slots for the jobs that wait
        elif kind == "reply":
            _, number, error, value = message
            if not (answer := self._answers.pop(number)).done():
                if error is None:
                    answer.set_result(value)
                else:
                    answer.set_exception(unpack_error(error))
        elif kind == "schemes" and self._http is not None:
            self._http.on_schemes(Document(*message[1]))
        elif kind == "draining" and self._http is not None:
            self._http.restart_stalled()
        elif kind == "end":
            self._ended = True
            self._changed.set()
        elif kind == "stop" and self._task is not None:
            self._task.cancel()

    def _take(self, packed: Sequence[tuple[Any, ...]]) -> None:
        for fields in packed:
            number, job, partial = unpack_job(fields)
            self._numbers[job.asset.identity] = number
            if partial:
                self._adopt(job.asset.identity, partial)
            self._jobs.append(job)
        self._changed.set()

    async def _produce(self, submit: Submit) -> None:
        while True:
            while self._jobs:
                await submit(self._jobs.popleft())
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _settle(self, batch: Sequence[Settled], place: Place | None = None) -> None:
        numbers = self._numbers
        outcomes = [outcome for outcome, _ in batch]
        placed = repeat(True, len(batch)) if place is None else chain.from_iterable(place(outcomes))
        for (outcome, url), holds in zip(batch, placed, strict=True):
            if holds:
                number = numbers.pop(outcome.job.asset.identity)
                self._outcomes.append(pack_outcome(number, outcome, url))
        if len(self._outcomes) >= FLUSH_OUTCOMES or not numbers:
            self._flush()
        elif self._flushing is None and self._outcomes:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def _flush(self, reports: Sequence[GateReport] = ()) -> None:
        """Send what has happened since the last time, in one message."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        counters = {name: getattr(self._meter, name) - self._told[name] for name in COUNTERS}
        if self._outcomes or reports or any(counters.values()):
            self._told = {name: getattr(self._meter, name) for name in COUNTERS}
            outcomes, self._outcomes = self._outcomes, []
            self._send(("done", outcomes, counters, [plain(one) for one in reports]))

    async def _ask(self, question: str, value: Any) -> Any:
        number = next(self._questions)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._send(("ask", number, question, value))
        return await answer

    async def _refresh(self, asset: Asset) -> Asset | None:
        found = await self._ask("refresh", pack_asset(asset))
        return None if found is None else unpack_asset(found)

    async def _move(self, identity: tuple[str, str, str], path: str) -> str:
        moved: str = await self._ask("move", (identity, path))
        return moved


async def run_worker(
    settings: WorkerSettings,
    send: Callable[[Message], None],
    listen: Callable[[Callable[[Message], None]], None],
) -> None:
    """Be a worker until the end. `listen` is given what is to be called with every message."""
    worker = Worker(settings, send)
    listen(worker.receive)
    try:
        await worker.run()
    except asyncio.CancelledError:
        pass
    except MlhubError as error:
        send(("fatal", pack_error(error), ""))
    except Exception:
        import traceback

        send(("fatal", None, traceback.format_exc()))
    send(("ended",))
