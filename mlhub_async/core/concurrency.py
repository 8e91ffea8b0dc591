"""The one concurrency primitive: a bounded queue between one producer and a pool of workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator
from typing import TypeVar

from .errors import MlhubError
from .places import LOOK, POOL, Places, Pool

T = TypeVar("T")
_END = object()


class Later:
    """An awaitable that may as well be left alone: its coroutine is made when somebody awaits it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], Awaitable[None]]) -> None:
        self._call = call

    def __await__(self) -> Generator[object, None, None]:
        return self._call().__await__()


async def fan_out(
    produce: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]],
    work: Callable[[T], Awaitable[None]],
    workers: int,
    useful: Callable[[], int] | None = None,
    places: Places | None = None,
) -> None:
    """Run `produce(put)` and let `workers` coroutines drain what it puts with `work`.

    With `useful`, only as many of them as it says at the time: more would stand in each other's way.
    What is left over of their places is in `places`, to be lent.
    `put` waits while the queue is full. Returns when everything put was worked on. The first exception
    of either side cancels all the others and is raised as it is, never wrapped in a group.
    """
    queue: asyncio.Queue[object] = asyncio.Queue(maxsize=workers)

    def hire() -> None:
        worker = _working(pool, queue, work)
        try:
            group.create_task(worker)
        except RuntimeError:
            # The group is shutting down, and its end has not come down yet to the group that puts this job.
            worker.close()

    async def put(job: T) -> None:
        await queue.put(job)
        pool.fill()

    async def producing() -> None:
        await produce(put)
        await queue.put(_END)
        pool.ended = True

    try:
        async with asyncio.TaskGroup() as group:
            pool = Pool(workers, useful, hire, group, queue)
            if places is not None:
                places.pool = pool
            group.create_task(producing())
            pool.fill()
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None


async def _working(pool: Pool, queue: asyncio.Queue[object], work: Callable[[T], Awaitable[None]]) -> None:
    """Job after job, until there are no more or this worker is one too many."""
    POOL.set(pool)
    while not pool.crowded:
        pool.idle += 1
        job = await queue.get()
        pool.idle -= 1
        if job is _END:
            queue.put_nowait(_END)  # for the next one
            break
        if job is LOOK:
            pool.looked()
        else:
            await work(job)  # type: ignore[arg-type]  # the others are Ts
    pool.leave()


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that began it: TaskGroup lists them in the order in which they happened."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def at_rest(under_way: Callable[[], Collection[asyncio.Future[None]]]) -> None:
    """Return when none of these is under way any more, even if cancelled meanwhile; then that is raised."""
    cancelled = None
    while waiting := under_way():
        try:
            await asyncio.wait(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def alone(work: Callable[[], Awaitable[T]], workers: int, places: Places) -> T:
    """Do one thing as the only worker of a pool that has `places` to lend."""
    found: list[T] = []

    async def produce(put: Callable[[Callable[[], Awaitable[T]]], Awaitable[None]]) -> None:
        await put(work)

    async def doing(this: Callable[[], Awaitable[T]]) -> None:
        found.append(await this())

    await fan_out(produce, doing, workers, places=places)
    return found[0]


async def both(one: Awaitable[T], other: Awaitable[T]) -> tuple[T, T]:
    """Two results that are waited for together. The first error of either is raised as it is."""

    async def of(awaitable: Awaitable[T]) -> T:
        return await awaitable

    try:
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(of(one)), group.create_task(of(other))
    except BaseExceptionGroup as failures:
        raise first_of(failures) from None
    return first.result(), second.result()


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
