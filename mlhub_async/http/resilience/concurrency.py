"""How many requests at a time serve one origin best: found by trial, measured in goodput.

The number doubles while that brings more. From then on, now and then, a few more or a few fewer are tried and
kept only if they are as good. A number that the origin refuses is not tried again for a good while.
"""

from __future__ import annotations

from collections.abc import Callable

from .hill_climbing import HillClimber

FIRST_LIMIT = 8
MAX_LIMIT = 64
"""More has never been seen to help, and operators of servers begin to object."""
REQUEST_WEIGHT_BYTES = 16 << 10
"""Bytes that a request counts for beside its body: of tiny files it is the number that matters."""
CHECK_SECONDS = 0.1
"""Between two checks, at the least."""
LONG_CHECK_SECONDS = 2.0
"""The same where bodies are so large that few responses come."""
ANSWERS_PER_SLOT = 2
"""And so many responses per slot: with fewer, the measurement is chance."""
DOUBLING_GAIN = 1.15
INCREASE_GAIN = 1.05
DECREASE_GAIN = 1.0
"""By how much the rate must change for a trial to be kept."""
CHECKS_BETWEEN_TRIALS = 15
CHECKS_AFTER_GAIN = 2
"""The next trial follows soon where the last one paid."""
REFUSED_ONE_IN = 4
"""One refusal in so many responses is the origin's way to say that it is too much; fewer happen anyway."""
REFUSED_COOLDOWN_SECONDS = 30.0
"""A refused number is not tried again for so long; twice as long after each refusal."""
QUEUEING_FACTOR = 3.0
"""Heads that take so many times their best time, for no more bytes, wait in a queue at the origin."""
BEST_WAIT_DRIFT = 1.01
"""The best time to the head is forgotten slowly: hosts change."""
MAX_BYTES_IN_FLIGHT = 1 << 30
"""Bytes still to come in all transfers, beyond which no further one begins: it would only finish later."""
MIN_TRANSFERS = 4
"""But so many may always be under way; and so many refusals are no chance."""


class AdaptiveLimit(HillClimber):
    """The number of slots at one origin. Call `adjust` now and then; the gate asks whether it is `crowded`.

    It never exceeds `most`. Where `first` is `most` it is fixed, as with `-j`.
    """

    def __init__(self, first: int, most: int, clock: Callable[[], float]) -> None:
        super().__init__(first, most, REFUSED_COOLDOWN_SECONDS)
        self.work = 0
        """useful bytes so far, requests counted as bytes"""
        self.in_flight = 0
        """bytes of large bodies that are still to come"""
        self.active = 0
        """slots in use"""
        self.helper_streams = 0
        """those of them that bring no file of their own, but segments of one that is under way already"""
        self.full = False
        """all slots were in use at some time since the last check"""
        self.fixed = first == most
        self._clock = clock
        self._ceiling = most
        self._checks_left = 0
        """checks before the next trial"""
        self._last_up = False
        """whether the last trial was of a larger number"""
        self._work_before = 0
        self._answers = 0
        self._refusals = 0
        self._waits = self._best_wait = 0.0
        self._since = clock()

    def recall(self, number: int) -> None:
        """Begin with what an earlier run found best."""
        if not self.fixed:
            self.settled = min(number, self._most)
            self.fall_back()
            self._checks_left = CHECKS_BETWEEN_TRIALS

    @property
    def learned(self) -> bool:
        """Whether anything was found out, which takes more than a few requests."""
        return not self._doubling or self.rate > 0

    def crowded(self) -> bool:
        """No slot is free, or so much is under way that another transfer would only share the line."""
        if self.active >= self.allowed:
            self.full = True
            return True
        return self.in_flight > MAX_BYTES_IN_FLIGHT and self.active - self.helper_streams >= MIN_TRANSFERS

    def take(self) -> None:
        """A request takes a slot."""
        self.active += 1
        if self.active >= self.allowed:
            self.full = True

    def answered(self, wait: float) -> None:
        """A head came, after so many seconds."""
        self.work += REQUEST_WEIGHT_BYTES
        self._answers += 1
        self._waits += wait

    @property
    def due(self) -> bool:
        """Enough was seen for a check. Large bodies have few responses: for them time alone must tell."""
        return not self.fixed and self._answers >= ANSWERS_PER_SLOT * self.allowed

    def throttled(self) -> None:
        """The origin refused a request. If it refuses many, it gets as many as it took before."""
        self._refusals += 1
        seen = self._refusals + self._answers
        if self.fixed or self._refusals < MIN_TRANSFERS or self._refusals * REFUSED_ONE_IN < seen:
            return
        self._ceiling = max(1, self.allowed - 1)
        self.start_cooldown(self._clock())
        self.lower(max(1, self.allowed // 2))
        self._begin(CHECKS_BETWEEN_TRIALS)

    def adjust(self) -> None:
        """Compare what came since the last check with what came before, and try another number."""
        now = self._clock()
        seconds = now - self._since
        if self.fixed or seconds < (CHECK_SECONDS if self.due else LONG_CHECK_SECONDS):
            return
        rate = (self.work - self._work_before) / seconds
        if self.is_cool(now):
            self._ceiling = self._most
        if not self.full:
            self._begin(CHECKS_BETWEEN_TRIALS)  # there was not enough to do to learn from
        elif self._is_queueing(rate):
            self.lower(max(MIN_TRANSFERS, self.allowed * 3 // 4))
            self._begin(CHECKS_BETWEEN_TRIALS)
        elif self._doubling:
            self._double(rate)
        elif self.allowed != self.settled:
            self._judge(rate)
        else:
            self._try_another(rate)

    def _is_queueing(self, rate: float) -> bool:
        """More requests only wait longer at the origin."""
        if not self._answers:
            return False
        wait = self._waits / self._answers
        self._best_wait = min(self._best_wait or wait, wait) * BEST_WAIT_DRIFT
        return (
            self.allowed > MIN_TRANSFERS
            and wait > QUEUEING_FACTOR * self._best_wait
            and rate < INCREASE_GAIN * self.rate
        )

    def _double(self, rate: float) -> None:
        if rate >= DOUBLING_GAIN * self.rate:
            self.settle(self.allowed, rate)
            self.climb(0, self._ceiling)
            self._doubling = self.allowed > self.settled
        else:
            self.fall_back()
        self._begin(CHECKS_BETWEEN_TRIALS)

    def _try_another(self, rate: float) -> None:
        """Now and then a few more are tried, and a few fewer the next time."""
        self.rate += (rate - self.rate) / 3 if self.rate else rate
        self._begin(self._checks_left - 1)
        if self._checks_left > 0:
            return
        self._last_up = not self._last_up
        step = max(1, self.settled // 4)
        if self._last_up:
            self.climb(step, self._ceiling)
        else:
            self.allowed = max(1, self.settled - step)

    def _judge(self, rate: float) -> None:
        gain = INCREASE_GAIN if self.allowed > self.settled else DECREASE_GAIN
        if rate >= gain * self.rate:
            self.settle(self.allowed, rate)
            self._last_up = not self._last_up  # the next trial goes the same way
            self._begin(CHECKS_AFTER_GAIN)
        else:
            self.fall_back()
            self._begin(CHECKS_BETWEEN_TRIALS)

    def _begin(self, checks_left: int) -> None:
        self._checks_left = checks_left
        self._since, self._work_before, self._answers, self._waits = self._clock(), self.work, 0, 0.0
        self._refusals = 0
        self.full = False
