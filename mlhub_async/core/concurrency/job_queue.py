"""The queue between the producer and the workers of a pool.

A job costs three calls here, and fifteen in `asyncio.Queue`: one job is one small file.
"""

from __future__ import annotations

import asyncio
from collections import deque


class JobQueue:
    """First in, first out. To be used by one event loop; any number of tasks may wait.

    `put` and `take` never wait. Who must not overfill it waits for room first, who finds no job for one:
    after either wait the other may be first, so both loops look again.
    """

    __slots__ = ("_for_job", "_for_room", "_size", "jobs")

    def __init__(self, size: int) -> None:
        self._size = size
        self.jobs: deque[object] = deque()
        self._for_job: deque[asyncio.Future[None]] = deque()
        self._for_room: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        return len(self.jobs) >= self._size

    def put(self, job: object) -> None:
        self.jobs.append(job)
        if self._for_job:
            _wake_one(self._for_job)

    def take(self) -> object:
        """The first job. Raises `IndexError` if there is none."""
        job = self.jobs.popleft()
        if self._for_room:
            _wake_one(self._for_room)
        return job

    async def wait_for_room(self) -> None:
        while self.is_full:
            await self._wait(self._for_room)

    async def wait_for_job(self) -> None:
        while not self.jobs:
            await self._wait(self._for_job)

    async def _wait(self, waiting: deque[asyncio.Future[None]]) -> None:
        future = asyncio.get_running_loop().create_future()
        waiting.append(future)
        try:
            await future
        except BaseException:
            if future in waiting:
                waiting.remove(future)
            elif future.done() and not future.cancelled():
                _wake_one(waiting)  # this task was woken, but is cancelled: it is another one's turn
            raise


def _wake_one(waiting: deque[asyncio.Future[None]]) -> None:
    while waiting:
        future = waiting.popleft()
        if not future.done():
            future.set_result(None)
            return
