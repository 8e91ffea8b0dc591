"""Notices that we stood still: SIGSTOP, a closed lid, a virtual machine that was paused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK = 1.0
GAP = 5.0
"""Seconds without a turn of the loop that no load explains."""
GRACE = 60.0
"""So long after it failures are no wonder: peers have hung up, the network is only coming back."""


def suspended() -> float:
    """Seconds for which the machine itself slept since it was started: the monotonic clock stood as well."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Awake:
    """`lately` says whether we woke up not long ago. It must be `watching`, else every pause is one."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, slept: Callable[[], float] = suspended
    ) -> None:
        self._clock = clock
        self._slept = slept
        self._seen, self._before = clock(), slept()
        self._woke = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look once a second, in the running loop."""
        self._tick()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self) -> None:
        self._look()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)

    def _look(self) -> None:
        now, slept = self._clock(), self._slept()
        if now - self._seen > GAP or slept - self._before > GAP:
            self._woke = now
        self._seen, self._before = now, slept

    def lately(self) -> bool:
        self._look()  # who asks may be quicker than the timer
        return self._clock() - self._woke < GRACE
