"""How many parallel streams bring one large body fastest: found by trial, measured in bytes per second.

More streams are tried only while enough of the body is left for it to be worth while.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ...http.resilience.hill_climbing import HillClimber

MEASURE_SECONDS = 0.35
"""Duration of one measurement, at the least."""
MIN_MEASURED_BYTES = 3 << 20
"""And so many bytes per stream: they are counted by the megabyte, which must not matter."""
MEASUREMENTS = 2
"""So many make a judgement: one alone may be chance."""
WARM_UP_BYTES = 1 << 20
"""Bytes per stream before the first measurement: a new connection is slow at first."""
MIN_GAIN_SHARE = 1 / 3
"""What another stream must add at the least, as a share of what each of those before it brings."""
MIN_SECONDS_LEFT = 2.0
"""Seconds that the rest must take, at the present rate, for another stream to be tried."""
MAX_CPU_SHARE = 0.6
"""Processor time per second beyond which it is this process that is slow, and no stream helps."""
TRIAL_COOLDOWN_SECONDS = 10.0
"""Until the next trial after one that did not pay; twice as long each time."""


class StreamTuner(HillClimber):
    """`allowed` is the number of streams there should be. Call `adjust` whenever bytes have come.

    With `given` there is nothing to find out: it is `most` from the beginning. `rate` is in bytes per
    second, by all streams together, as last measured.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float],
        *,
        given: bool = False,
        cpu_seconds: Callable[[], float] = time.process_time,
    ) -> None:
        super().__init__(most if given else 1, most, TRIAL_COOLDOWN_SECONDS)
        self._given = given
        self._clock = clock
        self._cpu_seconds = cpu_seconds
        self._streams = 1
        self._warm = False
        self._since, self._bytes_before, self._cpu_before = clock(), 0, cpu_seconds()
        self._rates: list[float] = []

    def adjust(self, received: int, streams: int, left: int) -> None:
        """`received`: bytes of the whole run so far: what is only taken from other files is no gain.

        `left`: bytes of this body that are still to come, by so many `streams`.
        """
        now = self._clock()
        if streams != self._streams:
            self._streams = streams
            self._rates.clear()
            self._begin(now, received, warm=False)
        seconds, count = now - self._since, received - self._bytes_before
        if not self._warm:
            if count >= WARM_UP_BYTES * streams and seconds >= MEASURE_SECONDS / 2:
                self._begin(now, received, warm=True)
        elif count >= MIN_MEASURED_BYTES * streams and seconds >= MEASURE_SECONDS:
            self._rates.append(count / seconds)
            cpu_share = (self._cpu_seconds() - self._cpu_before) / seconds
            self._begin(now, received, warm=True)
            if len(self._rates) == MEASUREMENTS:
                self._judge(now, left, cpu_share)
                self._rates.clear()

    def _begin(self, now: float, received: int, *, warm: bool) -> None:
        self._since, self._bytes_before, self._warm = now, received, warm
        self._cpu_before = self._cpu_seconds()

    def _judge(self, now: float, left: int, cpu_share: float) -> None:
        """More streams pay if at their worst they bring more than those before them did at their best."""
        if self._given:
            self.rate = max(self._rates)
            return
        if self._streams > self.settled:
            added = self._streams / self.settled - 1
            if min(self._rates) < self.rate * (1 + MIN_GAIN_SHARE * added):
                self.fall_back()
                self.start_cooldown(now)
                return
        self.settle(self._streams, max(self._rates))
        if left > MIN_SECONDS_LEFT * self.rate and self.is_cool(now) and cpu_share < MAX_CPU_SHARE:
            self.climb(1, self._most)
        else:
            self.allowed = self.settled
