"""The executor in this event loop: a pool of workers, each of which transfers one asset at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ...core.concurrency import FirstErrorGroup, affordable_transfers, fan_out
from ...core.model import Job
from ...http.resilience.concurrency import MAX_LIMIT
from ...http.resilience.retry import load_tenacity
from ...transfer.context import TransferContext
from ...transfer.dedupe import InFlight
from ...transfer.fetch import fetch
from ...transfer.small_file.small_files import SmallFiles

if TYPE_CHECKING:
    from pathlib import Path

    from ...core.options import Options
    from ...core.ports import BegunRequest, Settle, Submit
    from ...http.resilience.rate_limit import RateLimiter
    from ...transfer.small_file.member_files import MemberFiles
    from .references.found import Reference

Produce = Callable[["Submit"], Awaitable[None]]


class LocalExecutor:
    """See `ports.Executor`. `concurrency`: workers; None: as many as the hosts are served best by.

    Ordinary small files take a shorter path beside the workers, where `TransferContext` allows for it.
    """

    def __init__(self, context: TransferContext, concurrency: int | None) -> None:
        self._context = context
        self._workers = affordable_transfers(concurrency or MAX_LIMIT)
        self._is_unrestricted = self._workers >= (concurrency or MAX_LIMIT // 2)
        """there are descriptors for as many transfers as were asked for, or for what most origins need"""
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
            small = SmallFiles(self._context, submit, settle, go_on)
            await small.run(partial(self._produce_with_members, produce, settle))
        else:
            await produce(submit)
        self._context.http.restart_stalled()

    async def _produce_with_members(self, produce: Produce, settle: Settle, put: Submit) -> None:
        """Produce jobs; from the first one of an archive on, those of its members are read many at a time."""
        http = self._context.http
        members: MemberFiles | None = None

        def submit(job: Job) -> Awaitable[None]:
            nonlocal members
            if members is None and http.archives and http.members_at(job.asset.href) is not None:
                from ...transfer.small_file.member_files import MemberFiles  # few runs need it

                members = MemberFiles(self._context, put, settle)
                tasks.append(group.create_task(members.read_all()))
            return put(job) if members is None else members.submit(job)

        tasks: list[asyncio.Task[None]] = []
        async with FirstErrorGroup() as group:
            try:
                await produce(submit)
                if members is not None:
                    await members.drained()
            finally:
                for task in tasks:
                    task.cancel()

    async def _work(self, settle: Settle, job: Job) -> None:
        self._context.events.job("start", job)
        await self._go_on(settle, job)

    async def _go_on(
        self, settle: Settle, job: Job, begun: BegunRequest | None = None, own: InFlight | None = None
    ) -> None:
        outcome, url = await fetch(job, self._context, begun, own)
        await settle([(outcome, url)])
        members = self._context.http.members_at(job.asset.href)
        if members is not None and outcome.error is None:
            members.release(job.asset.href)


@asynccontextmanager
async def opened_references(
    options: Options, environ: Mapping[str, str], dest: Path | None, rate_limiter: RateLimiter
) -> AsyncIterator[Sequence[Reference]]:
    """The references of a run, closed at the end of the block. `dest`: None for a bucket."""
    if not options.references:
        yield ()
        return
    from .references.opening import open_references

    async with open_references(options, environ, dest, rate_limiter) as found:
        yield found


def with_references(context: TransferContext, references: Sequence[Reference]) -> TransferContext:
    """The context of transfers that ask these first."""
    if not references:
        return context
    from .references.mirrors import ReferenceMirrors

    return replace(context, references=ReferenceMirrors(references, context))
