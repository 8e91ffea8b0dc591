"""The executor in this event loop: a pool of workers, each of which transfers one asset at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from ...core.concurrency import affordable_transfers, fan_out
from ...core.model import Job
from ...core.ports import BegunRequest, Settle, Submit
from ...http.resilience.concurrency import MAX_LIMIT
from ...http.resilience.retry import load_tenacity
from ...transfer.context import TransferContext
from ...transfer.dedupe import InFlight
from ...transfer.fetch import fetch
from ...transfer.small_file.small_files import SmallFiles

Produce = Callable[[Submit], Awaitable[None]]


class LocalExecutor:
    """See `ports.Executor`. `concurrency`: workers; None: as many as the hosts are served best by.

    Ordinary small files take a shorter path beside the workers, where `TransferContext` allows for it.
    """

    def __init__(self, context: TransferContext, concurrency: int | None) -> None:
        self._context = context
        self._workers = affordable_transfers(concurrency or MAX_LIMIT)
        self._is_unrestricted = self._workers == (concurrency or MAX_LIMIT)
        """there are descriptors for as many transfers as were asked for"""
        if not self._is_unrestricted:
            load_tenacity()

    async def run(self, produce: Produce, settle: Settle) -> None:
        """Raises `AccessLost` also at the end, for a host that refused our credentials to the last."""
        limits = self._context.http.limits
        useful = None if limits.fixed else partial(limits.slots, self._workers)
        work = partial(self._work, settle)
        produce_all = partial(self._produce_all, produce, settle)
        await fan_out(produce_all, work, self._workers, useful, self._context.idle_slots)
        limits.end()

    async def _produce_all(self, produce: Produce, settle: Settle, submit: Submit) -> None:
        if self._context.small_files and self._is_unrestricted:
            go_on = partial(self._go_on, settle)
            await SmallFiles(self._context, submit, settle, go_on).run(produce)
        else:
            await produce(submit)
        self._context.http.restart_stalled()

    async def _work(self, settle: Settle, job: Job) -> None:
        self._context.events.job("start", job)
        await self._go_on(settle, job)

    async def _go_on(
        self, settle: Settle, job: Job, begun: BegunRequest | None = None, own: InFlight | None = None
    ) -> None:
        await settle([await fetch(job, self._context, begun, own)])
