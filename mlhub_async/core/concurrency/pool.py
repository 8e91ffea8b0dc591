"""`fan_out` from one producer to an elastic pool of workers.

No task outlives the call that started it, the queue is bounded, and the first error is raised as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from .groups import FirstErrorGroup
from .job_queue import JobQueue

S = TypeVar("S")
T = TypeVar("T")

PARKED_PER_WORKER = 32
"""Tasks that may wait outside the pool, for each slot of it: this bounds their memory."""

_END = object()
_RECHECK = object()
"""Makes a worker look whether it is still needed."""
Work = Callable[[], Coroutine[object, object, None]]


async def fan_out(
    produce: Callable[[Callable[[T], Awaitable[None]]], Awaitable[None]],
    work: Callable[[T], Awaitable[None]],
    workers: int,
    useful_workers: Callable[[], int] | None = None,
    idle_slots: IdleSlots | None = None,
) -> None:
    """Run `produce(put)`, and `work` on everything that it puts, with up to `workers` workers.

    `useful_workers` says how many of them are of use at the moment: more would only wait for each other.
    `idle_slots` is given the slots that no worker needs, to be lent. `put` waits while the queue is full.
    Returns when everything put was worked on. The first exception of `produce` or `work` cancels all the
    others and is raised as it is, never wrapped in a group.
    """
    queue = JobQueue(workers)

    def start_worker() -> None:
        worker = _worker(pool, queue, work)
        try:
            group.create_task(worker)
        except RuntimeError:
            # The group is shutting down, but the task that puts this job has not been cancelled yet.
            worker.close()

    async def put(job: T) -> None:
        if queue.is_full:
            await queue.wait_for_room()
        queue.put(job)
        pool.fill()

    async def produce_all() -> None:
        await produce(put)
        queue.put(_END)
        pool.ended = True

    async with FirstErrorGroup() as group:
        pool = WorkerPool(workers, useful_workers, start_worker, group, queue)
        if idle_slots is not None:
            idle_slots.pool = pool
        group.create_task(produce_all())
        pool.fill()


async def _worker(pool: WorkerPool, queue: JobQueue, work: Callable[[T], Awaitable[None]]) -> None:
    """Work on job after job, until there are no more or the pool has more workers than it needs."""
    CURRENT_POOL.set(pool)
    while not pool.overstaffed:
        if not queue.jobs:
            pool.rest()
            await queue.wait_for_job()
            pool.idle -= 1
        job = queue.take()
        if job is _END:
            queue.put(_END)  # for the next worker
            break
        if job is _RECHECK:
            pool.rechecked()
        else:
            await work(job)  # type: ignore[arg-type]  # the others are Ts
    pool.leave()


class WorkerPool:
    """Counts the workers of one `fan_out` and decides how many there should be.

    A worker that must wait for a host gives its slot to another one meanwhile (`parked`). A slot that no
    worker needs may be lent to a task of one of the jobs (`IdleSlots`). `idle` workers wait at the queue,
    from which nothing more will come once it has `ended`.
    """

    def __init__(
        self,
        slots: int,
        useful_workers: Callable[[], int] | None,
        start_worker: Callable[[], object],
        group: asyncio.TaskGroup,
        queue: JobQueue,
    ) -> None:
        self._slots = slots
        self._useful_workers = useful_workers
        self._start_worker = start_worker
        self._group = group
        self._queue = queue
        self._working = 0
        self._parked = 0
        self._rechecks = 0
        self._unstarted: set[asyncio.Task[None] | None] = set()
        self.on_spare: Callable[[], object] | None = None
        """Called in the event loop when there may be more `room`; not at once."""
        self.orders_wait: Callable[[], bool] = lambda: False
        """Whether orders wait for `room`; by default there are none."""
        self.idle = 0
        self.ended = False

    @property
    def _target(self) -> int:
        """How many workers there should be now."""
        if self._useful_workers is None:
            return self._slots
        return max(1, min(self._slots, self._useful_workers()))

    @property
    def overstaffed(self) -> bool:
        """More are working than there should be: a parked one came back, or there are fewer slots now."""
        return self._working > self._target

    def fill(self) -> None:
        """Start workers in the free slots."""
        while self._working < self._target:
            self._working += 1
            self._start_worker()

    def leave(self) -> None:
        """Count a worker out that ends."""
        self._working -= 1

    def rest(self) -> None:
        """Count a worker idle that waits for a job."""
        self.idle += 1
        self._notify()

    def _notify(self) -> None:
        if self.on_spare is not None:
            asyncio.get_running_loop().call_soon(self.on_spare)

    def rechecked(self) -> None:
        """Count one of the `_RECHECK`s out of the queue."""
        self._rechecks -= 1

    def shrink(self) -> None:
        """Give up a quarter of the slots, unless some workers have to end already."""
        if not self.overstaffed:
            self._slots = max(1, self._slots * 3 // 4)

    def park(self) -> bool:
        """Free the slot of a worker that will wait. False where too many wait: then it keeps its slot."""
        self._notify()
        if self.crowded:
            return False
        self._parked += 1
        if self.overstaffed:
            self._working -= 1
        else:
            self._start_worker()
        return True

    @property
    def crowded(self) -> bool:
        """So many wait outside the pool that those which wait now keep their slots."""
        return self._parked >= PARKED_PER_WORKER * self._slots

    def unpark(self) -> None:
        self._parked -= 1
        self._working += 1

    @property
    def has_waiting_jobs(self) -> bool:
        return len(self._queue.jobs) - self._rechecks > self.ended

    @property
    def wanted_back(self) -> bool:
        """Whether there is work for the slots that are lent."""
        return self.has_waiting_jobs or self.orders_wait()

    @property
    def reserved(self) -> int:
        """Slots that are never lent: one for the next job, while there may be one."""
        return 0 if self.ended else 1

    def lend(self, work: Work) -> asyncio.Task[None] | None:
        free = self._target - self._working + self.idle
        if self.wanted_back or free <= self.reserved:
            return None
        if (task := self._start_lent(work)) is not None and self.overstaffed and not self.ended:
            self._rechecks += 1
            self._queue.put(_RECHECK)
        return task

    def room(self, orders: int) -> int:
        """How many more orders may be under way beside these: in slots that neither a busy worker has nor a
        waiting job needs.

        Where too many wait outside the pool, perhaps for a file that is ordered, one order always may.
        """
        waiting = len(self._queue.jobs) - self._rechecks - self.ended
        room = self._slots - self._working + self.idle - waiting - orders
        return 1 if room <= 0 and not orders and self.crowded else room

    def start(self, work: Work) -> bool:
        """Run a job at once, in a task that counts as a worker. False if the group is shutting down."""
        return self._start_lent(work) is not None

    def _start_lent(self, work: Work) -> asyncio.Task[None] | None:
        coroutine = self._run_lent(work)
        try:
            task = self._group.create_task(coroutine)
        except RuntimeError:  # the group is shutting down
            coroutine.close()
            return None
        self._working += 1
        self._unstarted.add(task)
        task.add_done_callback(self._count_out_unstarted)
        return task

    async def _run_lent(self, work: Work) -> None:
        self._unstarted.discard(asyncio.current_task())
        CURRENT_POOL.set(self)
        try:
            await work()
        finally:
            self._take_back()

    def _take_back(self) -> None:
        """Use its slot for waiting jobs. In the task itself: once all have ended, the group takes no more."""
        self._working -= 1
        if self.has_waiting_jobs:
            self.fill()
        self._notify()

    def _count_out_unstarted(self, task: asyncio.Task[None]) -> None:
        """A task that is cancelled before its first step runs nothing of its coroutine."""
        if task in self._unstarted:
            self._unstarted.discard(task)
            self._take_back()


CURRENT_POOL: ContextVar[WorkerPool | None] = ContextVar("pool", default=None)
"""The pool of the worker that runs in this context."""


@contextmanager
def parked() -> Iterator[None]:
    """A context in which to wait: another worker works in the slot of this one meanwhile."""
    pool = CURRENT_POOL.get()
    if pool is None or not pool.park():
        yield
        return
    try:
        yield
    finally:
        pool.unpark()


def shrink_pool() -> None:
    """Give up a quarter of the slots of this worker's pool: there are not enough descriptors or memory."""
    if (pool := CURRENT_POOL.get()) is not None:
        pool.shrink()


class IdleSlots:
    """The slots of a pool that no worker needs; none before `fan_out` has been given this.

    Not found by context as `parked` finds its pool: bytes are received in the context of a connection.
    """

    def __init__(self) -> None:
        self.pool: WorkerPool | None = None

    def lend(self, work: Work) -> asyncio.Task[None] | None:
        """Start a task in a slot that no worker needs now; None if there is none.

        The caller cancels it when the caller ends. An error of it is one of the pool.
        """
        return self.pool.lend(work) if self.pool is not None else None

    def start(self, work: Work) -> bool:
        """Run a job at once, in a task that counts as a worker. False if the pool is shutting down."""
        return self.pool is not None and self.pool.start(work)

    @property
    def reserved(self) -> int:
        """Slots that are never lent."""
        return self.pool.reserved if self.pool is not None else 0

    @property
    def wanted_back(self) -> bool:
        """Whether work waits for a slot, so that a task in a lent one should end."""
        return self.pool is not None and self.pool.wanted_back


async def run_single(work: Callable[[], Awaitable[T]], workers: int, idle_slots: IdleSlots) -> T:
    """Do one job in a pool of its own, whose other slots it can borrow."""
    results: list[T] = []

    async def produce(put: Callable[[Callable[[], Awaitable[T]]], Awaitable[None]]) -> None:
        await put(work)

    async def do(job: Callable[[], Awaitable[T]]) -> None:
        results.append(await job())

    await fan_out(produce, do, workers, idle_slots=idle_slots)
    return results[0]


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
