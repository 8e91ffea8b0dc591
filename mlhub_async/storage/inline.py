"""Decides whether brief work for the disk may be done in the event loop, by how long it took there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SLOW_SECONDS = 0.02
"""Work that takes longer holds up the transfers."""
SLOW_CALLS = 2
"""So many slow calls in a row are the last in the loop: the disk is slow, not the machine busy."""


class InlineWork:
    """Times the work that is done in the event loop. `allowed` until the disk turns out to be slow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slow_calls = 0

    @property
    def allowed(self) -> bool:
        return self._slow_calls < SLOW_CALLS

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around one piece of work."""
        started = self._clock()
        try:
            yield
        finally:
            slow = self._clock() - started > SLOW_SECONDS
            self._slow_calls = self._slow_calls + 1 if slow else 0
