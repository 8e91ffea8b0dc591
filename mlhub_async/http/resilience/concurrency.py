"""The adaptive limit of concurrent requests to one origin, found by hill climbing on the measured goodput.

The limit doubles while that increases the rate. Later a slightly larger or smaller number is tried from time
to time, and kept if it is as good. A number at which the origin refuses requests is not tried again for a
while.
"""

from __future__ import annotations

from collections.abc import Callable

from .hill_climbing import HillClimber

FIRST_LIMIT = 8
MAX_LIMIT = 128
"""Only a distant origin is asked by so many: each doubling must pay. Operators may object to more."""
REQUEST_WEIGHT_BYTES = 16 << 10
"""Bytes that a request counts as, in addition to its body: for tiny files their number matters."""
CHECK_SECONDS = 0.1
"""Shortest time between two checks."""
LONG_CHECK_SECONDS = 2.0
"""The same where bodies are so large that few responses come."""
ANSWERS_PER_SLOT = 2
"""Responses per slot that a check needs: with fewer, the measurement is random."""
DOUBLING_GAIN = 1.15
INCREASE_GAIN = 1.05
DECREASE_GAIN = 1.0
"""Factors by which the rate must change for a trial to be kept."""
CHECKS_BETWEEN_TRIALS = 15
CHECKS_AFTER_GAIN = 2
"""The next trial follows soon after a successful one."""
REFUSED_ONE_IN = 4
"""One refusal in so many responses means that the limit is too large; fewer are ignored."""
DROPPED_ONE_IN = 8
"""The same for new connections that are closed or get no answer: fewer may be those of a bad network."""
REFUSED_COOLDOWN_SECONDS = 30.0
"""A refused number is not tried again for so long; twice as long after each refusal."""
QUEUEING_FACTOR = 3.0
"""If heads take so many times their best time, and the rate does not grow, requests queue at the origin."""
BEST_WAIT_DRIFT = 1.01
"""Growth of the best time to the head per check, so that an old best time is forgotten."""
LEAST_SHARED = 32
"""Several processes make so many together, unless the origin refuses some or fewer bring more: else their
event loops find one answer at a time, and each turn of a loop has a price."""
MAX_BYTES_IN_FLIGHT = 1 << 30
"""Outstanding bytes of all transfers beyond which no further one begins: it would gain nothing."""
MIN_TRANSFERS = 4
"""So many transfers may always be under way, and fewer refusals than this are ignored."""


class AdaptiveLimit(HillClimber):
    """The number of slots at one origin. The gate calls `adjust` and asks whether it is `crowded`.

    `first` is the initial number, `most` the maximum. If they are equal the limit is `fixed` (as with -j)
    until the origin refuses so many requests. Where `most` is 0 the owner sets the number.
    Below `least` it falls only where the origin refuses requests, or where fewer bring much more.
    `clock` returns seconds.
    """

    def __init__(self, first: int, most: int, clock: Callable[[], float], least: int = 1) -> None:
        super().__init__(first, most, REFUSED_COOLDOWN_SECONDS)
        self._least = least
        self._least_queued = max(MIN_TRANSFERS, least)
        """the smallest number that requests which queue at the origin are reduced to"""
        self.work = 0
        """useful bytes so far, requests counted as bytes"""
        self.in_flight = 0
        """bytes of large bodies that are still to come"""
        self.active = 0
        """slots in use"""
        self.helper_streams = 0
        """those of them that fetch a further segment of a file that is under way already"""
        self.full = False
        """all slots were in use at some time since the last check"""
        self.fixed = first == most
        self._clock = clock
        self._ceiling = most
        self._checks_left = 0
        """checks before the next trial"""
        self._last_up = False
        """whether the last trial was of a larger number"""
        self._is_doubtful = False
        """whether the rate with a doubled number was too low when it was measured first"""
        self._work_before = 0
        self._answers = 0
        self._refusals = self._drops = 0
        self._under_way = 0
        """requests that were sent before a refusal lowered the limit, and are not answered since `_begin`"""
        self._waits = self._best_wait = self._earlier_waits = 0.0
        self._since = clock()

    def recall(self, number: int) -> None:
        """Begin with the number that an earlier run found best."""
        if not self.fixed:
            self.settled = min(number, self._most)
            self.fall_back()
            self._checks_left = CHECKS_BETWEEN_TRIALS

    @property
    def waited(self) -> float:
        """Seconds that all requests together have waited for their heads."""
        return self._earlier_waits + self._waits

    @property
    def learned(self) -> bool:
        """Whether anything was found out, which takes more than a few requests."""
        return not self._doubling or self.rate > 0

    def crowded(self) -> bool:
        """Whether no slot is free, or so much is outstanding that another transfer would gain nothing."""
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
        """A head was received, `wait` seconds after its request."""
        self.work += REQUEST_WEIGHT_BYTES
        self._answers += 1
        self._waits += wait

    def served(self, wait: float, size: int) -> bool:
        """The same for a whole small body, whose slot another request may take over at once.

        Whether a check is due.
        """
        self.work += REQUEST_WEIGHT_BYTES + size
        self._answers += 1
        self._waits += wait
        if self.active >= self.allowed:
            self.full = True
        return self.due

    def absorb(self, answers: int, waits: float, work: int, refusals: int, drops: int) -> None:
        """Count what was measured of requests in slots that others have: the same as `answered` and so on."""
        self.work += work
        self._answers += answers
        self._waits += waits
        for _ in range(refusals):
            self.throttled()
        for _ in range(drops):
            self.dropped()

    def hand_over(self) -> tuple[int, float, int, int, int]:
        """What was counted since the last call, for `absorb`."""
        found = self._answers, self._waits, self.work, self._refusals, self._drops
        self._answers = self.work = self._refusals = self._drops = 0
        self._earlier_waits += self._waits
        self._waits = 0.0
        return found

    @property
    def due(self) -> bool:
        """Whether there were enough responses and enough time for a check."""
        if self.fixed or self._answers < ANSWERS_PER_SLOT * self.allowed:
            return False
        return self._clock() - self._since >= CHECK_SECONDS

    def throttled(self) -> None:
        """The origin refused a request (429, 503). If it refuses many, the limit is lowered.

        It is lowered once for all requests that are under way then, as the congestion window of TCP is once
        per round-trip time (RFC 5681): their refusals say nothing about the lower number.
        """
        if self._was_under_way():
            return
        self._refusals += 1
        seen = self._refusals + self._answers - self._under_way
        if self._refusals >= MIN_TRANSFERS and self._refusals * REFUSED_ONE_IN >= seen:
            self._lower(max(1, self.allowed // 2))

    def dropped(self) -> bool:
        """A request got no answer: the origin closed a new connection, or left it alone.

        If it does so to many while it answers others, it may have a limit of connections: the number is
        lowered, by less, as a server that restarts looks the same at first. True: it was lowered already, so
        that this says nothing of what was requested.
        """
        if self._was_under_way():
            return True
        self._drops += 1
        answers = self._answers - self._under_way
        others = answers > 0 or self.rate > 0
        if others and self._drops >= MIN_TRANSFERS and self._drops * DROPPED_ONE_IN >= answers:
            self._lower(max(MIN_TRANSFERS, self.allowed * 3 // 4))
        return False

    def _was_under_way(self) -> bool:
        """Whether a request without success was sent before the limit was lowered. It is counted then."""
        was = self._answers < self._under_way
        self._under_way -= was
        return was

    def _lower(self, number: int) -> None:
        if not self._most:
            return
        self.fixed = self._doubling = False
        self._ceiling = max(1, self.allowed - 1)
        self.start_cooldown(self._clock())
        self.lower(min(number, self.allowed))
        self._begin(CHECKS_BETWEEN_TRIALS)
        self._under_way = self.active

    def adjust(self) -> None:
        """Compare the rate since the last check with the rate before, and keep or change the limit.

        With large bodies there are few responses: then the time alone decides whether it is due.
        """
        now = self._clock()
        seconds = now - self._since
        if self.fixed or not (self.due or seconds >= LONG_CHECK_SECONDS):
            return
        rate = (self.work - self._work_before) / seconds
        if self.is_cool(now):
            self._ceiling = self._most
        if not self.full:
            self._begin(CHECKS_BETWEEN_TRIALS)  # too few requests for a measurement
        elif self._is_queueing(rate):
            self.lower(max(self._least_queued, self.allowed * 3 // 4))
            self._begin(CHECKS_BETWEEN_TRIALS)
        elif self._doubling:
            self._double(rate)
        elif self.allowed != self.settled:
            self._judge(rate)
        else:
            self._try_another(rate)

    def _is_queueing(self, rate: float) -> bool:
        """Whether more requests only wait longer at the origin."""
        if not self._answers:
            return False
        wait = self._waits / self._answers
        self._best_wait = min(self._best_wait or wait, wait) * BEST_WAIT_DRIFT
        return (
            self.allowed > self._least_queued
            and wait > QUEUEING_FACTOR * self._best_wait
            and rate < INCREASE_GAIN * self.rate
        )

    def _double(self, rate: float) -> None:
        """A rate that is too low is measured once more: the first answers are to earlier requests, and those
        of a distant origin come all at once, so that a few milliseconds make a difference."""
        gains = rate >= DOUBLING_GAIN * self.rate
        if gains:
            self.settle(self.allowed, rate)
            self.climb(0, self._ceiling)
            self._doubling = self.allowed > self.settled
        elif self._is_doubtful:
            self.fall_back()
        self._is_doubtful = not (gains or self._is_doubtful)
        self._begin(CHECKS_BETWEEN_TRIALS)

    def _try_another(self, rate: float) -> None:
        """After some checks try a larger number, the next time a smaller one."""
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
        if self.allowed < self._least:
            gain = DOUBLING_GAIN
        if rate >= gain * self.rate:
            self.settle(self.allowed, rate)
            self._last_up = not self._last_up  # the next trial goes the same way
            self._begin(CHECKS_AFTER_GAIN)
        else:
            self.fall_back()
            self._begin(CHECKS_BETWEEN_TRIALS)

    def _begin(self, checks_left: int) -> None:
        self._checks_left = checks_left
        self._under_way = max(0, self._under_way - self._answers)
        self._earlier_waits += self._waits
        self._since, self._work_before, self._answers, self._waits = self._clock(), self.work, 0, 0.0
        self._refusals = self._drops = 0
        self.full = False
