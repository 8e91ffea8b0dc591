"""One timer that looks at all hops under way and ends those that are too slow to be worth waiting for."""

from __future__ import annotations

import asyncio

from .answer import Answer


class Watch:
    """Windows of so many seconds, in each of which a body must receive `min_speed` bytes per second."""

    def __init__(self, window: float, min_speed: int) -> None:
        self._window = window
        self._min_speed = min_speed
        self._active: set[Answer] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._checked_at = 0.0

    def begin(self, answer: Answer) -> None:
        """The timer runs only while there is anything to look at."""
        self._active.add(answer)
        if self._timer is None and self._min_speed:
            loop = asyncio.get_running_loop()
            self._checked_at = loop.time()
            self._timer = loop.call_later(self._window, self._look)

    def end(self, answer: Answer) -> None:
        self._active.discard(answer)

    def _look(self) -> None:
        """Ends hops that received less than min_speed for a whole window. A window in which we slept
        ourselves (SIGSTOP, a closed lid), or in which our own disk made the server wait, does not count."""
        loop = asyncio.get_running_loop()
        asleep = loop.time() - self._checked_at > 1.5 * self._window + 5
        for answer in self._active:
            watched = answer.mark >= 0 and answer.head is not None and not answer.paused and not asleep
            if watched and answer.received - answer.mark < self._min_speed * self._window:
                answer.drop(f"slower than {self._min_speed} bytes/s for {self._window:g} s")
            answer.mark = answer.received
        self._checked_at = loop.time()
        self._timer = loop.call_later(self._window, self._look) if self._active else None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
