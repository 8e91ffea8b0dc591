"""Which workers have been silent for too long: such a one is stopped, or hangs, and its jobs wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

SILENCE_SECONDS = 60.0
"""After so long without a message a worker is given up."""
ALIVE_SECONDS = 5.0
"""A worker sends a message at least so often."""
MAX_TICK_SECONDS = 1.0
"""What one tick counts at most. This process may have been stopped itself, and its workers with it."""


class Liveness:
    """Counts for how long each worker has been silent, in ticks of this process: see `silent`."""

    def __init__(self, silence: float = SILENCE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """`silence`: the seconds after which a worker is given up."""
        self._limit = silence
        self._clock = clock
        self._ticked_at = clock()
        self._silent: dict[int, float] = {}

    def hear(self, worker: int) -> None:
        """A worker has joined, or has sent a message."""
        self._silent[worker] = 0.0

    def forget(self, worker: int) -> None:
        """A worker has ended."""
        self._silent.pop(worker, None)

    def silent(self) -> Iterator[int]:
        """The workers to be given up, each once. To be called several times a second."""
        now = self._clock()
        seconds, self._ticked_at = min(now - self._ticked_at, MAX_TICK_SECONDS), now
        for worker in self._silent:
            self._silent[worker] += seconds
        for worker in [one for one, silence in self._silent.items() if silence > self._limit]:
            self.forget(worker)
            yield worker
