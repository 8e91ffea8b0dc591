"""One timer that looks at all hops under way and ends those that are too slow to be worth waiting for."""

from __future__ import annotations

import asyncio

from .hop import Hop
from .validators import validator

ENDGAME_STALL_SHARE = 1 / 6
"""Of the time that a byte may take, after which one of the last transfers is begun anew elsewhere."""
ENDGAME_CHECKS = 4
"""How often per such time we look."""
CHEAP_TO_REFETCH = 1 << 20
"""Bytes that are no loss if they have to be fetched again."""


class Watchdog:
    """Windows of so many seconds, in each of which a body must receive `min_speed` bytes per second."""

    def __init__(self, window: float, min_speed: int) -> None:
        self._window = window
        self._min_speed = min_speed
        self._active: set[Hop] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._checked_at = 0.0
        self._hurry: asyncio.TimerHandle | None = None
        self._quiet: dict[Hop, tuple[int, int]] = {}
        self._hurried: set[str] = set()

    def begin(self, answer: Hop) -> None:
        """The timer runs only while there is anything to look at."""
        self._active.add(answer)
        if self._timer is None and self._min_speed:
            loop = asyncio.get_running_loop()
            self._checked_at = loop.time()
            self._timer = loop.call_later(self._window, self._look)

    def end(self, answer: Hop) -> None:
        self._active.discard(answer)

    def _look(self) -> None:
        """Ends hops that received less than min_speed for a whole window. A window in which we slept
        ourselves (SIGSTOP, a closed lid), or in which our own disk made the server wait, does not count."""
        loop = asyncio.get_running_loop()
        asleep = loop.time() - self._checked_at > 1.5 * self._window + 5
        for answer in self._active:
            watched = answer.mark >= 0 and answer.head is not None and not answer.paused and not asleep
            parts = answer.gate.limit.parts
            # The parts of a body share what one line brings: all together are to be as fast as one.
            least = self._min_speed * self._window / (1 + max(answer.parts, parts))
            if watched and answer.received - answer.mark < least:
                answer.drop(f"slower than {self._min_speed} bytes/s for {self._window:g} s")
            answer.mark, answer.parts = answer.received, parts
        self._checked_at = loop.time()
        self._timer = loop.call_later(self._window, self._look) if self._active else None

    def hurry(self) -> None:
        """Few transfers are left, and others no longer make up for one that stalls.

        It is cut and goes on over another connection, once per URL and at no cost of an attempt. That is
        no race of two requests, which would need two files; it costs at most what a stall has cost so far.
        """
        if self._hurry is None:
            self._look_for_stalls()

    def _look_for_stalls(self) -> None:
        loop = asyncio.get_running_loop()
        quiet = {}
        for answer in self._active:
            received, looks = self._quiet.get(answer, (-1, 0))
            same = received == answer.received and not answer.paused
            quiet[answer] = (answer.received, looks + 1 if same else 0)
            if quiet[answer][1] >= ENDGAME_CHECKS and answer.url not in self._hurried and _may_go_on(answer):
                self._hurried.add(answer.url)
                answer.hurried = True
                answer.drop("no data for a while")
        self._quiet = quiet
        self._hurry = loop.call_later(
            self._window * ENDGAME_STALL_SHARE / ENDGAME_CHECKS, self._look_for_stalls
        )

    def close(self) -> None:
        for timer in (self._timer, self._hurry):
            if timer is not None:
                timer.cancel()
        self._timer = self._hurry = None


def _may_go_on(answer: Hop) -> bool:
    """Whether little is lost: what is here can be gone on with, or is soon here again."""
    return answer.received < CHEAP_TO_REFETCH or (
        answer.head is not None and bool(validator(answer.head.headers))
    )
