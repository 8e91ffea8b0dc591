"""A disk whose writes take long: by the clock that the program times its writes with, without any wait."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlhub_async.storage.inline import DiskWork


class SlowDisk(threading.local):
    """Each write to a file costs its thread some seconds, all else nothing. Each thread has its own clock."""

    late = 0.0

    def now(self) -> float:
        return self.late


class Writes:
    """How many writes to files there were in the event loop's thread, and in others."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.in_loop = self.in_threads = 0
        self._loop_thread = threading.get_ident()
        self._lock = threading.Lock()

    def count(self) -> None:
        with self._lock:
            here = threading.get_ident() == self._loop_thread
            self.in_loop += here
            self.in_threads += not here


@contextmanager
def slow_writes(seconds: float = 0.05) -> Iterator[Writes]:
    """`seconds` of the `Writes` may be set at any time."""
    disk, writes, write, before = SlowDisk(), Writes(seconds), os.write, DiskWork.clock

    def slow(fd: int, data: Any) -> int:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            writes.count()
            disk.late += writes.seconds
        return write(fd, data)

    DiskWork.clock, os.write = staticmethod(disk.now), slow  # type: ignore[assignment]
    try:
        yield writes
    finally:
        DiskWork.clock, os.write = before, write  # type: ignore[method-assign]
