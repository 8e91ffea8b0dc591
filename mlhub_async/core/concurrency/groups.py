"""Small helpers of structured concurrency: groups of tasks, waits, and awaitables that cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Generator
from types import TracebackType
from typing import TypeVar

from ..errors import MlhubError

T = TypeVar("T")
_END = object()


class FirstErrorGroup(asyncio.TaskGroup):
    """A task group that raises its first error as it is, with its own cause, never an `ExceptionGroup`."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            return await super().__aexit__(kind, error, trace)
        except BaseExceptionGroup as failures:
            first = _first_error(failures)
        try:
            # Not where the group is handled: it would become the context of its own member.
            raise first
        finally:
            del first  # or its traceback and this frame would keep each other in memory


def _first_error(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """TaskGroup lists errors in the order in which they happened."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def gather_pair(one: Awaitable[T], other: Awaitable[T]) -> tuple[T, T]:
    """The results of two awaitables that run together. The first error of either is raised as it is."""

    async def of(awaitable: Awaitable[T]) -> T:
        return await awaitable

    async with FirstErrorGroup() as group:
        first, second = group.create_task(of(one)), group.create_task(of(other))
    return first.result(), second.result()


async def prefetch_one(pages: AsyncIterator[T], consume: Callable[[T], Awaitable[None]]) -> None:
    """Consume an async iterator while exactly one further element is being fetched, never more.

    An `MlhubError` of the iterator is raised only after everything that it gave before was consumed.
    """

    async def fetch_next() -> tuple[T | object, MlhubError | None]:
        try:
            return await anext(pages, _END), None
        except MlhubError as error:
            return _END, error

    async with FirstErrorGroup() as group:
        following = group.create_task(fetch_next())
        while (page := (await following)[0]) is not _END:
            following = group.create_task(fetch_next())
            await consume(page)  # type: ignore[arg-type]  # END is the only object that is not a T
    if (error := following.result()[1]) is not None:
        raise error


async def wait_until_idle(running: Callable[[], Collection[asyncio.Future[T]]]) -> None:
    """Return when `running()` is empty. A cancellation does not end the wait: it is raised after it."""
    cancelled = None
    while futures := running():
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def run_to_end(work: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that is not cancelled with its caller: a cancellation is raised after it."""
    task = asyncio.create_task(work)
    try:
        await wait_until_idle(lambda: [] if task.done() else [task])
    finally:
        if task.done() and not task.cancelled():
            task.exception()  # marks it as retrieved: asyncio would log it
    return task.result()


class LazyAwaitable:
    """An awaitable that makes its coroutine when it is awaited, so that it need not be awaited at all."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], Awaitable[None]]) -> None:
        self._call = call

    def __await__(self) -> Generator[object, None, None]:
        return self._call().__await__()
