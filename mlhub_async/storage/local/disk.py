"""The threads that write large bodies, how many bytes may wait for them, and who waits when it is full."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from .disk_space import WaitForRoom, nobody_waits

THREADS = min(4, os.cpu_count() or 1)
BATCH = 2 << 20
"""Bytes that go to a disk thread at once, at most: a hop for 512 KiB was measured to cost a tenth more."""
LEAST = 512 << 10
WAITING = 16 << 20
"""Bytes that all bodies together collect for their next hop; twice that with those under way."""


class Disk:
    """One pool for all bodies of a run, and the number of those that write. For the loop's thread only."""

    def __init__(self, threads: int = THREADS, *, wait_for_room: WaitForRoom = nobody_waits) -> None:
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="mlhub-disk")
        self.wait_for_room = wait_for_room
        self.batch = BATCH
        self._writers = 0

    def enter(self) -> None:
        """Another body is being written: the more there are, the less each may keep waiting."""
        self._count(1)

    def leave(self) -> None:
        self._count(-1)

    def _count(self, change: int) -> None:
        self._writers += change
        self.batch = max(LEAST, min(BATCH, WAITING // max(self._writers, 1)))

    def close(self) -> None:
        self.pool.shutdown(wait=True)
