"""The executor in this event loop: a pool of workers, each of which transfers one asset at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from ...core.concurrency import affordable_transfers, fan_out
from ...core.model import Job
from ...core.ports import Settle, Submit
from ...http.resilience.concurrency import MAX_LIMIT
from ...transfer.context import TransferContext
from ...transfer.fetch import fetch


class LocalExecutor:
    """See `ports.Executor`. `concurrency`: workers; None: as many as the hosts are served best by."""

    def __init__(self, context: TransferContext, concurrency: int | None) -> None:
        self._context = context
        self._workers = affordable_transfers(concurrency or MAX_LIMIT)

    async def run(self, produce: Callable[[Submit], Awaitable[None]], settle: Settle) -> None:
        """Raises `AccessLost` also at the end, for a host that refused our credentials to the last."""
        context = self._context

        async def produce_all(submit: Submit) -> None:
            await produce(submit)
            context.http.restart_stalled()

        async def work(job: Job) -> None:
            context.events.job("start", job)
            await settle([await fetch(job, context)])

        limits = context.http.limits
        useful = None if limits.fixed else partial(limits.slots, self._workers)
        await fan_out(produce_all, work, self._workers, useful, context.idle_slots)
        limits.end()
