"""The one concurrency primitive: a bounded queue between one producer and a pool of workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from .errors import MlhubError

T = TypeVar("T")
_END = object()


async def fan_out(
    produce: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]],
    work: Callable[[T], Awaitable[None]],
    workers: int,
) -> None:
    """Run `produce(put)` and let `workers` coroutines drain what it puts with `work`.

    `put` waits while the queue is full. Returns when everything put was worked on. The first exception
    of either side cancels all the others and is raised as it is, never wrapped in a group.
    """
    queue: asyncio.Queue[T | object] = asyncio.Queue(maxsize=workers)

    async def producing() -> None:
        await produce(queue.put)
        for _ in range(workers):
            await queue.put(_END)

    async def working() -> None:
        while (job := await queue.get()) is not _END:
            await work(job)  # type: ignore[arg-type]  # END is the only object that is not a T

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(producing())
            for _ in range(workers):
                group.create_task(working())
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that began it: TaskGroup lists them in the order in which they happened."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def one_ahead(pages: AsyncIterator[T], consume: Callable[[T], Awaitable[None]]) -> None:
    """Consume an async iterator while exactly one further element is being fetched, never more.

    An error of the iterator is raised only after everything it gave before has been consumed.
    """

    async def coming() -> tuple[T | object, MlhubError | None]:
        try:
            return await anext(pages, _END), None
        except MlhubError as error:
            return _END, error

    try:
        async with asyncio.TaskGroup() as group:
            following = group.create_task(coming())
            while (page := (await following)[0]) is not _END:
                following = group.create_task(coming())
                await consume(page)  # type: ignore[arg-type]  # END is the only object that is not a T
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    if (error := following.result()[1]) is not None:
        raise error
