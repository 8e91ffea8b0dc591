"""Threads where the system allows few: a pool that makes do with fewer, and an error that names the limit."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..errors import StorageError

SPARE_THREADS = 4
"""Threads that a run needs: for the ledger, the disk, names of hosts, and uvloop."""
NO_THREADS = (
    "this machine lets the program start no more threads; raise 'ulimit -u', or the limit of processes "
    "(pids) of the container, then run again"
)


class ThreadPool(ThreadPoolExecutor):
    """Makes do with fewer threads where the system allows no more; `StorageError` where it allows none."""

    @property
    def busy(self) -> bool:
        """Whether one of its threads works at this moment."""
        return len(self._threads) > self._idle_semaphore._value

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not is_thread_limit(error):
                raise
            if not self._threads:
                raise StorageError(NO_THREADS) from None


def is_thread_limit(error: BaseException) -> bool:
    """Whether the system has refused to start a thread."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)


def can_start_threads(number: int) -> bool:
    """Whether so many threads more can run at a time, now."""
    end, started = threading.Event(), 0
    try:
        for _ in range(number):
            threading.Thread(target=end.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        return False
    finally:
        end.set()
    return started == number


def available_cores() -> int:
    """Processors that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed; None for asyncio's own loop.

    With its first connection uvloop starts threads to resolve addresses, and where it cannot it ends the
    process by abort(). One of them is enough: names are resolved elsewhere (`http.transport.lookup`).
    """
    try:
        import uvloop  # not on every system, and not needed to show help
    except ImportError:
        return None
    if not can_start_threads(SPARE_THREADS):
        return None
    os.environ.setdefault("UV_THREADPOOL_SIZE", "1")
    return uvloop.new_event_loop
