"""Threads where the system allows few: a pool that makes do with fewer, and an error that names the limit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from ..errors import StorageError

NO_THREADS = (
    "this machine lets the program start no more threads; raise 'ulimit -u', or the limit of processes "
    "(pids) of the container, then run again"
)


class ThreadPool(ThreadPoolExecutor):
    """Makes do with fewer threads where the system allows no more; `StorageError` where it allows none."""

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
