"""Detects that this process was suspended: by a suspend of the machine, or by SIGSTOP.

Failures and slow transfers right after that are not attributed to servers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHECK_SECONDS = 1.0
SUSPEND_GAP_SECONDS = 5.0
"""A pause of the event loop that load does not explain."""
GRACE_SECONDS = 60.0
"""For so long after a suspension failures are expected: connections were closed, the network reconnects."""


def machine_suspended_seconds() -> float:
    """Seconds for which the machine was suspended since its start: the monotonic clock omits them."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class SuspendDetector:
    """Counts suspensions of this process. One instance serves a whole run.

    Use it within `watching`, or call `count` every few seconds: a longer time between two calls counts as a
    suspension.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        suspended: Callable[[], float] = machine_suspended_seconds,
    ) -> None:
        """Both give seconds. `clock` stands still while the machine is suspended, `suspended` does not."""
        self._clock = clock
        self._suspended = suspended
        self._checked_at, self._suspended_before = clock(), suspended()
        self._resumed_at = float("-inf")
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Check once a second, in the running loop."""
        self._tick()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self) -> None:
        self.count()
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._tick)

    def count(self) -> int:
        """Suspensions so far. Where two counts differ, there was one in between."""
        now, suspended = self._clock(), self._suspended()
        stopped = now - self._checked_at > SUSPEND_GAP_SECONDS
        if stopped or suspended - self._suspended_before > SUSPEND_GAP_SECONDS:
            self._resumed_at = now
            self._count += 1
        self._checked_at, self._suspended_before = now, suspended
        return self._count

    def lately(self) -> bool:
        """Whether the last suspension ended less than `GRACE_SECONDS` ago."""
        self.count()  # the caller may run before the timer does
        return self._clock() - self._resumed_at < GRACE_SECONDS
