"""How many streams bring one large body best: found by trying, measured in what comes per second.

More are tried only while there is enough left for it to be worth while, and kept only if they pay.
"""

from __future__ import annotations

from collections.abc import Callable

LOOK = 0.5
"""Seconds that a look takes, at the least."""
LUMP = 3 << 20
"""And bytes per stream: they are counted by the megabyte, which must not matter."""
WARM = 1 << 20
"""Bytes per stream after which a look begins: a new connection is slow at first."""
PAYS = 1 / 3
"""Of what those bring that are there, the least that another stream must add."""
WORTH = 2.0
"""Seconds that the rest must take, for another stream to be tried."""
REST = 10.0
"""Seconds until the next trial after one that did not pay; twice as long each time."""


class Gain:
    """`wanted` is the number of streams there should be. Call `look` whenever something has come.

    With `given` there is nothing to find out: so many from the beginning.
    """

    def __init__(self, most: int, clock: Callable[[], float], *, given: bool = False) -> None:
        self.wanted = most if given else 1
        self.rate = 0.0
        """bytes per second, by all streams together, as last seen"""
        self._most = most
        self._given = given
        self._clock = clock
        self._settled = self._streams = 1
        self._starting = True
        self._warm = False
        self._since, self._mark = clock(), 0
        self._until = 0.0
        self._rest = REST

    def look(self, work: int, streams: int, left: int) -> None:
        """`work`: bytes that came since ever, `left`: those that are still to come, by `streams`."""
        now = self._clock()
        if streams != self._streams:
            self._streams = streams
            self._begin(now, work, warm=False)
        seconds, came = now - self._since, work - self._mark
        if not self._warm:
            if came >= WARM * streams and seconds >= LOOK / 2:
                self._begin(now, work, warm=True)
        elif came >= LUMP * streams and seconds >= LOOK:
            self._judge(came / seconds, now, left)
            self._begin(now, work, warm=True)

    def _begin(self, now: float, work: int, *, warm: bool) -> None:
        self._since, self._mark, self._warm = now, work, warm

    def _judge(self, rate: float, now: float, left: int) -> None:
        before, self.rate = self.rate, rate
        if self._given:
            return
        if self._streams > self._settled:
            share = self._streams / self._settled - 1
            if rate < before * (1 + PAYS * share):
                self.rate = before
                self._give_up(now)
                return
        self._settled = self._streams
        worth = left > WORTH * rate and now >= self._until
        more = self._settled * 2 if self._starting else self._settled + 1
        self.wanted = min(more, self._most) if worth else self._settled

    def _give_up(self, now: float) -> None:
        """What was tried last did not pay: back to what was there before, for a good while."""
        self.wanted, self._starting = self._settled, False
        self._until = now + self._rest
        self._rest *= 2
