"""The one concurrency primitive: a bounded queue between one producer and a pool of workers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterator,
    Sequence,
)
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TypeVar

from .errors import MlhubError

S = TypeVar("S")
T = TypeVar("T")
_END = object()

RESERVED_DESCRIPTORS = 64
"""Descriptors for everything that is not a transfer: ledger, locks, directories, listing."""
DESCRIPTORS_PER_TRANSFER = 3
"""A transfer has a connection, an unfinished file and the journal of that."""

PARKED_PER_WORKER = 32
"""For each worker so many tasks may wait beside the pool."""
_RECHECK = object()
"""Says to a worker that it may not be needed any more."""
Work = Callable[[], Coroutine[object, object, None]]


class LazyAwaitable:
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
    places: IdleSlots | None = None,
) -> None:
    """Run `produce(put)` and let `workers` coroutines drain what it puts with `work`.

    With `useful`, only as many of them as it says at the time: more would stand in each other's way.
    What is left over of their places is in `places`, to be lent.
    `put` waits while the queue is full. Returns when everything put was worked on. The first exception
    of either side cancels all the others and is raised as it is, never wrapped in a group.
    """
    queue: asyncio.Queue[object] = asyncio.Queue(maxsize=workers)

    def hire() -> None:
        worker = _worker(pool, queue, work)
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

    async with FirstErrorGroup() as group:
        pool = WorkerPool(workers, useful, hire, group, queue)
        if places is not None:
            places.pool = pool
        group.create_task(producing())
        pool.fill()


async def _worker(
    pool: WorkerPool, queue: asyncio.Queue[object], work: Callable[[T], Awaitable[None]]
) -> None:
    """Job after job, until there are no more or this worker is one too many."""
    CURRENT_POOL.set(pool)
    while not pool.crowded:
        pool.idle += 1
        job = await queue.get()
        pool.idle -= 1
        if job is _END:
            queue.put_nowait(_END)  # for the next one
            break
        if job is _RECHECK:
            pool.looked()
        else:
            await work(job)  # type: ignore[arg-type]  # the others are Ts
    pool.leave()


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
            del first  # else its traceback and this frame keep each other


def _first_error(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """TaskGroup lists errors in the order in which they happened."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


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


async def run_single(work: Callable[[], Awaitable[T]], workers: int, places: IdleSlots) -> T:
    """Do one thing as the only worker of a pool that has `places` to lend."""
    found: list[T] = []

    async def produce(put: Callable[[Callable[[], Awaitable[T]]], Awaitable[None]]) -> None:
        await put(work)

    async def doing(this: Callable[[], Awaitable[T]]) -> None:
        found.append(await this())

    await fan_out(produce, doing, workers, places=places)
    return found[0]


async def gather_pair(one: Awaitable[T], other: Awaitable[T]) -> tuple[T, T]:
    """Two results that are waited for together. The first error of either is raised as it is."""

    async def of(awaitable: Awaitable[T]) -> T:
        return await awaitable

    async with FirstErrorGroup() as group:
        first, second = group.create_task(of(one)), group.create_task(of(other))
    return first.result(), second.result()


async def map_in_order(work: Callable[[S], Awaitable[T]], inputs: Sequence[S], workers: int) -> list[T]:
    """The results of `work` in the order of `inputs`, of which at most `workers` are under way at a time.

    The first error cancels the others and is raised as it is.
    """
    results: dict[int, T] = {}

    async def produce(put: Callable[[int], Awaitable[None]]) -> None:
        for number in range(len(inputs)):
            await put(number)

    async def work_on(number: int) -> None:
        results[number] = await work(inputs[number])

    await fan_out(produce, work_on, max(1, min(workers, len(inputs))))
    return [results[number] for number in range(len(inputs))]


async def prefetch_one(pages: AsyncIterator[T], consume: Callable[[T], Awaitable[None]]) -> None:
    """Consume an async iterator while exactly one further element is being fetched, never more.

    An error of the iterator is raised only after everything it gave before has been consumed.
    """

    async def coming() -> tuple[T | object, MlhubError | None]:
        try:
            return await anext(pages, _END), None
        except MlhubError as error:
            return _END, error

    async with FirstErrorGroup() as group:
        following = group.create_task(coming())
        while (page := (await following)[0]) is not _END:
            following = group.create_task(coming())
            await consume(page)  # type: ignore[arg-type]  # END is the only object that is not a T
    if (error := following.result()[1]) is not None:
        raise error


def descriptor_limit() -> int | None:
    """Open files at a time; None where there is no such limit."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def affordable_transfers(wanted: int) -> int:
    """So many transfers at a time of those wanted."""
    files = descriptor_limit()
    return (
        wanted
        if files is None
        else max(1, min(wanted, (files - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_TRANSFER))
    )


def spare_descriptors(wanted: int) -> int:
    """So many files that are only kept open because that is faster."""
    files = descriptor_limit()
    return wanted if files is None else max(1, min(wanted, (files - RESERVED_DESCRIPTORS) // 8))


class WorkerPool:
    """The places of a pool's workers: who must wait for a host gives its own to another meanwhile.

    `idle` workers wait for the queue, from which nothing more will come once it has `ended`.
    """

    def __init__(
        self,
        places: int,
        useful: Callable[[], int] | None,
        hire: Callable[[], object],
        group: asyncio.TaskGroup,
        queue: asyncio.Queue[object],
    ) -> None:
        self._places = places
        self._useful = useful
        self._hire = hire
        self._group = group
        self._queue = queue
        self._working = 0
        self._aside = 0
        self._looks = 0
        self.idle = 0
        self.ended = False

    @property
    def _wanted(self) -> int:
        return self._places if self._useful is None else max(1, min(self._places, self._useful()))

    @property
    def crowded(self) -> bool:
        """More are at work than there are places, since somebody came back or there are fewer places."""
        return self._working > self._wanted

    def fill(self) -> None:
        """Hire for the places that are free."""
        while self._working < self._wanted:
            self._working += 1
            self._hire()

    def leave(self) -> None:
        self._working -= 1

    def looked(self) -> None:
        self._looks -= 1

    def shrink(self) -> None:
        """A quarter fewer places, unless some of those at work must go anyway."""
        if not self.crowded:
            self._places = max(1, self._places * 3 // 4)

    def step_aside(self) -> bool:
        """False where so many wait already that this one must keep its place: that bounds the memory."""
        if self._aside >= PARKED_PER_WORKER * self._places:
            return False
        self._aside += 1
        if self.crowded:
            self._working -= 1
        else:
            self._hire()
        return True

    def come_back(self) -> None:
        self._aside -= 1
        self._working += 1

    @property
    def pressed(self) -> bool:
        """Whether work waits for a worker."""
        return self._queue.qsize() - self._looks > self.ended

    @property
    def kept(self) -> int:
        """Places that are never lent: one for what comes next, while something may come."""
        return 0 if self.ended else 1

    def lend(self, work: Work) -> asyncio.Task[None] | None:
        free = self._wanted - self._working + self.idle
        if self.pressed or free <= self.kept:
            return None
        coroutine = self._lent(work)
        try:
            task = self._group.create_task(coroutine)
        except RuntimeError:  # the group is shutting down
            coroutine.close()
            return None
        self._working += 1
        if self.crowded and not self.ended:
            self._looks += 1
            self._queue.put_nowait(_RECHECK)
        task.add_done_callback(self._returned)
        return task

    async def _lent(self, work: Work) -> None:
        CURRENT_POOL.set(self)
        await work()

    def _returned(self, _: asyncio.Task[None]) -> None:
        self._working -= 1
        if self.pressed:
            self.fill()


CURRENT_POOL: ContextVar[WorkerPool | None] = ContextVar("pool", default=None)


@contextmanager
def parked() -> Iterator[None]:
    """Wait inside of this: while a worker does, another one works in its place."""
    pool = CURRENT_POOL.get()
    if pool is None or not pool.step_aside():
        yield
        return
    try:
        yield
    finally:
        pool.come_back()


def shrink_pool() -> None:
    """Called by a worker for which there were not enough means: its pool goes on with fewer of them."""
    if (pool := CURRENT_POOL.get()) is not None:
        pool.shrink()


class IdleSlots:
    """What a pool has to lend: nothing before `fan_out` has been given it.

    Not found by context, as those are who are at work: who receives bytes is in that of its connection.
    """

    def __init__(self) -> None:
        self.pool: WorkerPool | None = None

    def lend(self, work: Work) -> asyncio.Task[None] | None:
        """Start something in a place that nobody else needs now; None if there is none.

        The caller cancels it when it goes itself; an error of it is one of the pool.
        """
        return self.pool.lend(work) if self.pool is not None else None

    @property
    def kept(self) -> int:
        return self.pool.kept if self.pool is not None else 0

    @property
    def pressed(self) -> bool:
        """Whether work waits for a worker, so that what was lent is wanted back."""
        return self.pool is not None and self.pool.pressed
