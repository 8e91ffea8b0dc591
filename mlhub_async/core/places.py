"""The places of a pool of workers: who has one, who gives it to another, who is lent one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ASIDE = 32
"""For each worker so many tasks may wait beside the pool."""
LOOK = object()
"""Says to a worker that it may not be needed any more."""
Work = Callable[[], Coroutine[object, object, None]]


class Pool:
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
        if self._aside >= ASIDE * self._places:
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
            self._queue.put_nowait(LOOK)
        task.add_done_callback(self._returned)
        return task

    async def _lent(self, work: Work) -> None:
        POOL.set(self)
        await work()

    def _returned(self, _: asyncio.Task[None]) -> None:
        self._working -= 1
        if self.pressed:
            self.fill()


POOL: ContextVar[Pool | None] = ContextVar("pool", default=None)


@contextmanager
def aside() -> Iterator[None]:
    """Wait inside of this: while a worker does, another one works in its place."""
    pool = POOL.get()
    if pool is None or not pool.step_aside():
        yield
        return
    try:
        yield
    finally:
        pool.come_back()


def fewer() -> None:
    """Called by a worker for which there were not enough means: its pool goes on with fewer of them."""
    if (pool := POOL.get()) is not None:
        pool.shrink()


class Places:
    """What a pool has to lend: nothing before `fan_out` has been given it.

    Not found by context, as those are who are at work: who receives bytes is in that of its connection.
    """

    def __init__(self) -> None:
        self.pool: Pool | None = None

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
