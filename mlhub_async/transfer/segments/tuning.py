"""How many streams bring one large body best: found by trying, measured in what comes per second.

More are tried only while there is enough left for it to be worth while, and kept only if they pay.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK = 0.35
"""Seconds that a look takes, at the least."""
LOOKS = 2
"""So many make a judgement: one alone may be chance."""
LUMP = 3 << 20
"""And bytes per stream: they are counted by the megabyte, which must not matter."""
WARM = 1 << 20
"""Bytes per stream after which a look begins: a new connection is slow at first."""
PAYS = 1 / 3
"""Of what those bring that are there, the least that another stream must add."""
WORTH = 2.0
"""Seconds that the rest must take, for another stream to be tried."""
BUSY = 0.6
"""Processors' time per second beyond which it is we who are slow, and no stream helps."""
REST = 10.0
"""Seconds until the next trial after one that did not pay; twice as long each time."""


class StreamTuner:
    """`wanted` is the number of streams there should be. Call `look` whenever something has come.

    With `given` there is nothing to find out: so many from the beginning.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float],
        *,
        given: bool = False,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        self.wanted = most if given else 1
        self.rate = 0.0
        """bytes per second, by all streams together, as last seen"""
        self._most = most
        self._given = given
        self._clock = clock
        self._settled = self._streams = 1
        self._starting = True
        self._warm = False
        self._spent = spent
        self._since, self._mark, self._used = clock(), 0, spent()
        self._seen: list[float] = []
        self._until = 0.0
        self._rest = REST

    def look(self, work: int, streams: int, left: int) -> None:
        """`work`: bytes that came since ever, `left`: those that are still to come, by `streams`."""
        now = self._clock()
        if streams != self._streams:
            self._streams = streams
            self._seen.clear()
            self._begin(now, work, warm=False)
        seconds, came = now - self._since, work - self._mark
        if not self._warm:
            if came >= WARM * streams and seconds >= LOOK / 2:
                self._begin(now, work, warm=True)
        elif came >= LUMP * streams and seconds >= LOOK:
            self._seen.append(came / seconds)
            busy = (self._spent() - self._used) / seconds
            self._begin(now, work, warm=True)
            if len(self._seen) == LOOKS:
                self._judge(now, left, busy)
                self._seen.clear()

    def _begin(self, now: float, work: int, *, warm: bool) -> None:
        self._since, self._mark, self._used, self._warm = now, work, self._spent(), warm

    def _judge(self, now: float, left: int, busy: float) -> None:
        """More streams pay if at their worst they bring more than what was there before did at its best."""
        if not self._given and self._streams > self._settled:
            share = self._streams / self._settled - 1
            if min(self._seen) < self.rate * (1 + PAYS * share):
                self._give_up(now)
                return
        self.rate = max(self._seen)
        if self._given:
            return
        self._settled = self._streams
        worth = left > WORTH * self.rate and now >= self._until and busy < BUSY
        more = self._settled * 2 if self._starting else self._settled + 1
        self.wanted = min(more, self._most) if worth else self._settled

    def _give_up(self, now: float) -> None:
        """What was tried last did not pay: back to what was there before, for a good while."""
        self.wanted, self._starting = self._settled, False
        self._until = now + self._rest
        self._rest *= 2
