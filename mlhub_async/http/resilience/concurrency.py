"""How many requests at a time serve one host best: found by trying, measured in goodput.

The number doubles while that brings more (slow start), then one in a while a few more or a few less are
tried and kept only if they are as good. What the host refuses, it is not asked again for a good while.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_LIMIT = 8
MAX_LIMIT = 64
"""More has never been seen to help, and hosts begin to mind."""
REQUEST_WEIGHT_BYTES = 16 << 10
"""Bytes that a request counts for beside its body: of tiny files it is the number that matters."""
CHECK_SECONDS = 0.1
"""Seconds between two looks, at the least."""
LONG_CHECK_SECONDS = 2.0
"""The same where bodies are so large that few answers come."""
ANSWERS_PER_SLOT = 2
"""And so many answers per place: with fewer, what is seen is chance."""
DOUBLING_GAIN = 1.15
INCREASE_GAIN = 1.05
DECREASE_GAIN = 1.0
CHECKS_BETWEEN_TRIALS = 15
"""Looks between two trials."""
REFUSED_ONE_IN = 4
"""One refusal in so many answers is the host's way to say that it is too much; fewer are weather."""
REFUSED_COOLDOWN = 30.0
"""Seconds a refused number is not tried again; twice as long after each refusal."""
QUEUEING_FACTOR = 3.0
"""Heads that take so many times what they took at best, for no more bytes, stand in a queue at the host."""
MAX_BYTES_IN_FLIGHT = 1 << 30
"""Bytes still to come in all transfers, beyond which no further one begins: it would only finish later."""
MIN_TRANSFERS = 4
"""But so many may always be under way; and so many refusals are no chance."""


class AdaptiveLimit:
    """The number of places at one host. `look` now and then; the gate asks whether it is `crowded`.

    `most` bounds it; a fixed pace (`-j`) is one where `first` is `most`.
    """

    def __init__(self, first: int, most: int, clock: Callable[[], float]) -> None:
        self.allowed = min(first, most)
        self.work = 0
        """bytes and requests that were of use, since ever"""
        self.in_flight = 0
        self.active = 0
        self.helper_streams = 0
        """those that bring no body of their own, but help with one that is on its way already"""
        self.full = False
        """all places were taken at some time since the last look"""
        self.fixed = first == most
        self._most = most
        self._clock = clock
        self._starting = True
        self._settled = self.allowed
        self._rate = 0.0
        self._ceiling = most
        self._grudge = REFUSED_COOLDOWN
        self._until = 0.0
        self._rest = 0
        self._up = False
        self._mark = 0
        self._answers = 0
        self._refused = 0
        self._waits = self._best = 0.0
        self._since = clock()

    def recall(self, number: int) -> None:
        """Begin with what an earlier run found best."""
        if not self.fixed:
            self.allowed = self._settled = min(number, self._most)
            self._starting, self._rest = False, CHECKS_BETWEEN_TRIALS

    @property
    def learned(self) -> bool:
        """Whether anything was found out, which takes more than a few requests."""
        return not self._starting or self._rate > 0

    @property
    def settled(self) -> int:
        """The number that was found best so far."""
        return self._settled

    def crowded(self) -> bool:
        """No place is free, or so much is on its way that another transfer would only share it."""
        if self.active >= self.allowed:
            self.full = True
            return True
        return self.in_flight > MAX_BYTES_IN_FLIGHT and self.active - self.helper_streams >= MIN_TRANSFERS

    def take(self) -> None:
        """A request takes a place."""
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
        """Enough was seen for a look; for large bodies, which have few answers, time alone must tell."""
        return not self.fixed and self._answers >= ANSWERS_PER_SLOT * self.allowed

    def throttled(self) -> None:
        """The host refused. If it does so to many, what it took before is what it will be asked for."""
        self._refused += 1
        seen = self._refused + self._answers
        if self.fixed or self._refused < MIN_TRANSFERS or self._refused * REFUSED_ONE_IN < seen:
            return
        tried, now = self.allowed, self._clock()
        self.allowed = self._settled if tried > self._settled else max(1, tried // 2)
        self._settled = self.allowed
        self._ceiling, self._until = max(1, tried - 1), now + self._grudge
        self._grudge *= 2
        self._starting = False
        self._begin(CHECKS_BETWEEN_TRIALS)

    def adjust(self) -> None:
        """Compare what has come since the last look with what came before, and try another number."""
        now = self._clock()
        seen = now - self._since
        if self.fixed or seen < (CHECK_SECONDS if self.due else LONG_CHECK_SECONDS):
            return
        rate = (self.work - self._mark) / seen
        if now >= self._until:
            self._ceiling = self._most
        if not self.full:
            self._begin(CHECKS_BETWEEN_TRIALS)  # there was not enough to do to learn from
        elif self._queueing(rate):
            trial = self.allowed > self._settled
            self.allowed = self._settled if trial else max(MIN_TRANSFERS, self.allowed * 3 // 4)
            self._settled = self.allowed
            self._starting = False
            self._begin(CHECKS_BETWEEN_TRIALS)
        elif self._starting:
            self._start_up(rate)
        elif self.allowed != self._settled:
            self._judge(rate)
        else:
            self._try_another(rate)

    def _queueing(self, rate: float) -> bool:
        """More requests only wait longer at the host."""
        if not self._answers:
            return False
        wait = self._waits / self._answers
        self._best = min(self._best or wait, wait) * 1.01
        return (
            self.allowed > MIN_TRANSFERS
            and wait > QUEUEING_FACTOR * self._best
            and rate < INCREASE_GAIN * self._rate
        )

    def _start_up(self, rate: float) -> None:
        if rate >= DOUBLING_GAIN * self._rate:
            self._settled, self._rate = self.allowed, rate
            self.allowed = min(2 * self.allowed, self._ceiling)
            self._starting = self.allowed > self._settled
        else:
            self.allowed, self._starting = self._settled, False
        self._begin(CHECKS_BETWEEN_TRIALS)

    def _try_another(self, rate: float) -> None:
        """Every while: a few more, the next time a few fewer."""
        self._rate += (rate - self._rate) / 3 if self._rate else rate
        self._rest -= 1
        self._begin(self._rest)
        if self._rest > 0:
            return
        self._up = not self._up
        step = max(1, self._settled // 4)
        self.allowed = min(self._settled + step, self._ceiling) if self._up else max(1, self._settled - step)

    def _judge(self, rate: float) -> None:
        paid = INCREASE_GAIN if self.allowed > self._settled else DECREASE_GAIN
        if rate >= paid * self._rate:
            self._settled, self._rate = self.allowed, rate
            self._up = not self._up  # the same way again, and soon
            self._begin(2)
        else:
            self.allowed = self._settled
            self._begin(CHECKS_BETWEEN_TRIALS)

    def _begin(self, rest: int) -> None:
        self._rest = rest
        self._since, self._mark, self._answers, self._waits = self._clock(), self.work, 0, 0.0
        self._refused = 0
        self.full = False
