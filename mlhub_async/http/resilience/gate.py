"""Admits requests to an origin: a limited number at a time, and none during a Retry-After or an outage.

There is one gate per origin. It applies Retry-After (RFC 9110 section 10.2.3), the circuit breaker and the
rate limiter, and gives its slots to requests in order of their arrival.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator

from ...core.concurrency import parked
from ...core.errors import Transient
from ...core.urls import Origin
from .circuit_breaker import DEFAULT_OUTAGE_POLICY, CircuitBreaker, OutagePolicy
from .concurrency import AdaptiveLimit
from .rate_limit import RateLimiter

MAX_ORIGINS = 1000
"""If there are more origins, those that are not in use are forgotten."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""After a longer Retry-After no more requests are sent to the origin in this run."""
REQUEST_DELAY_SECONDS = 60.0
"""A request that is sent at most so long after the end of a Retry-After counts as having waited for it."""
MAX_JITTER_SECONDS = 30.0
MAX_TRIES_ELSEWHERE = 3
"""Attempts where a redirect leads to an origin that was given up."""


class RequestedWait:
    """Adds up the Retry-After times of an origin that sent no other response in between.

    Only time in which a request waited counts: between two requests there may be hours.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._asked_for = self._total = 0.0

    def add(self, now: float, seconds: float) -> float:
        """The origin has sent a Retry-After of so many seconds. Returns the total up to now, in seconds."""
        if self._asked_at is None:
            self._total = 0.0
        else:
            self._total += min(now - self._asked_at, self._asked_for + REQUEST_DELAY_SECONDS)
        self._asked_at, self._asked_for = now, seconds
        return self._total

    def clear(self) -> None:
        """The origin has sent another response."""
        self._asked_at = None


class Gate:
    """Admission to one origin. `limit` counts its slots, `breaker` is its circuit breaker.

    Call `enter_at_once`, else `await enter()`, before a hop, and `leave` after it. Waiting is fair.
    """

    def __init__(self, limit: AdaptiveLimit, origin: Origin, limits: OriginLimits) -> None:
        self.limit = limit
        self.origin = origin
        self.name = f"{origin.host}:{origin.port}"
        self.breaker = self._new_breaker(limits)
        self.access = self.breaker.access
        self._limits = limits
        self._rate_limiter = limits.rate_limiter
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._unobstructed = True
        """neither breaker nor Retry-After holds requests back"""
        self._unlimited = limits.rate_limiter.unlimited
        self.well = False
        """the origin has served an asset, nothing has failed lately, nothing holds requests back"""
        self.clear = False
        """it is well, nobody waits, and no slot is in use that the limit does not allow. Both flags change in
        `_review` alone."""
        self.on_clear: Callable[[], None] | None = None
        """called when something has changed and it is `clear`: a slot may be free"""
        self.orders: Callable[[], int] = lambda: 0
        """how many files the small-file path would ask for, if there were slots"""
        self._change = asyncio.Event()
        self._held_until = 0.0
        self._closed_until = 0.0
        self._requested_wait = RequestedWait()

    def _new_breaker(self, limits: OriginLimits) -> CircuitBreaker:
        return CircuitBreaker(
            self.name, limits.outage_policy, limits.clock, self._changed, on_health=self._review
        )

    def enter_at_once(self) -> bool:
        """Take a slot if no wait is necessary, which is usual and needs no coroutine. False: call `enter`."""
        if not self._unobstructed or self._waiting or self.limit.crowded() or self._rate_limiter.turn() > 0:
            return False
        self.limit.take()
        self._rate_limiter.took_turn()
        return True

    def _review(self) -> None:
        """Compute `clear`. To be called wherever something has changed that it depends on."""
        limit = self.limit
        self.well = self._unobstructed and self.breaker.healthy and self._unlimited
        self.clear = self.well and not self._waiting and limit.active <= limit.allowed
        if self.clear and self.on_clear is not None:
            self.on_clear()

    @property
    def free_slots(self) -> int:
        """Slots that are free and for which no request waits."""
        return self.limit.allowed - self.limit.active if self._unobstructed and not self._waiting else 0

    @property
    def contended(self) -> bool:
        """Whether a request waits for a slot."""
        return bool(self._waiting)

    @property
    def queued(self) -> int:
        """Requests that wait for a slot."""
        return len(self._waiting)

    @property
    def held_for(self) -> float:
        """Seconds for which no request is sent, because of a Retry-After."""
        return max(self._held_until, self._closed_until) - self._limits.clock()

    @property
    def forgettable(self) -> bool:
        """Whether it is not in use and has no state of Retry-After, outage or credentials."""
        in_use = self.limit.active or self._waiting or self.on_clear
        return self._unobstructed and not in_use and not self.access.has_credentials_history

    def answered(self, generation: int, *, granted: bool) -> None:
        """The origin has sent a response that shows it is up. See `CircuitBreaker.answered`."""
        self._requested_wait.clear()
        self.breaker.answered(generation, granted=granted)

    def throttled(self) -> None:
        """The origin has refused a request because of their number."""
        self.limit.throttled()
        self._review()

    def dropped(self) -> bool:
        """The origin has closed a new connection, or left it alone. See `AdaptiveLimit.dropped`."""
        excused = self.limit.dropped()
        self._review()
        return excused

    def postpone(self, error: Transient) -> None:
        """Apply the Retry-After of a refusal, if it has one.

        No request is sent to the origin before that time. After more than `MAX_RETRY_AFTER_SECONDS` none is
        sent in this run (`error.final`), nor if the origin has sent nothing else for longer than the longest
        outage.
        """
        if (seconds := error.retry_after) is None:
            return
        self.breaker.set_healthy(False)  # the next answer must be reported
        total = self._requested_wait.add(self._limits.clock(), seconds)
        if total > self._limits.outage_policy.max_seconds:
            message = f"{self.name} asked to be left alone again and again, for {total:.0f} s"
            self.breaker.give_up_for_now(f"{message}: run again later", "throttled")
        if seconds > MAX_RETRY_AFTER_SECONDS:
            error.final = True
            self._closed_until = max(self._closed_until, self._limits.clock() + seconds)
            self._changed()
        else:
            # Jitter: not all waiting requests are to go out at once when the time is over.
            self.hold(seconds + random.uniform(0, min(0.1 * seconds, MAX_JITTER_SECONDS)))

    def hold(self, seconds: float) -> None:
        """Send no request for so many seconds."""
        self._held_until = max(self._held_until, self._limits.clock() + seconds)
        self._changed()

    def _changed(self) -> None:
        self._unobstructed = False
        self._limits.held_until[self.name] = max(self._held_until, self.breaker.open_until)
        change, self._change = self._change, asyncio.Event()
        change.set()
        self._review()
        self._limits.on_change(self)

    def _admits(self) -> bool:
        """Whether a request may be sent now. Raises if none may in this run."""
        self.breaker.raise_verdict()
        now = self._limits.clock()
        if now < self._closed_until:
            left = self._closed_until - now
            message = f"{self.name} asked not to be asked for another {left:.0f} s"
            error = Transient(message, kind="throttled", retry_after=left)
            error.final = True
            raise error
        admits = now >= self._held_until and self.breaker.admits
        self._unobstructed = admits and not self.breaker.open
        self._review()
        return admits

    def check_in_service(self) -> None:
        """Raise `Transient` where the origin is out: for a request that may find another one instead."""
        try:
            self.breaker.raise_verdict()
            if not self.breaker.admits:
                raise Transient(f"{self.name} is out at present", kind="host-down")
        except Transient as error:
            error.unanswered, error.tries = error.kind == "host-down", None
            raise

    async def enter(self, *, elsewhere: bool = False) -> None:
        """Wait for a slot. Raises `TransferError` or `Transient` if the origin was given up for this run.

        `elsewhere`: the request may lead to another origin the next time.
        """
        try:
            while not await self._entered():
                pass
        except Transient as error:
            if elsewhere and error.kind == "host-down":
                error.tries = MAX_TRIES_ELSEWHERE
            raise

    async def _entered(self) -> bool:
        """False if requests were held back again while this one waited for a slot."""
        if not self._admits():
            with parked():
                while not self._admits():
                    await self._wait_for_change()
        await self._take_slot()
        try:
            while (wait := self._rate_limiter.turn()) > 0:
                await self._rate_limiter.wait_for_turn(wait)
            entered = self._admits()
        except BaseException:
            self.leave()
            raise
        if not entered:
            self.leave()
            return False
        self.breaker.begin_request()
        self._rate_limiter.took_turn()
        return True

    async def _wait_for_change(self) -> None:
        """Wait for the end of a pause, or for the outcome of the probe that is under way."""
        wait = max(self._held_until, self.breaker.open_until) - self._limits.clock()
        if wait > 0:
            await self._rate_limiter.sleep(wait)
        elif not self.breaker.admits:  # else the pause has ended since the last check
            await self._change.wait()

    async def _take_slot(self) -> None:
        if not self._waiting and not self.limit.crowded():
            self.limit.take()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._review()
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # the slot was handed over just before the cancellation
            elif turn in self._waiting:
                self._waiting.remove(turn)
                self._review()
            raise

    def leave(self) -> None:
        """Give the slot back, to the request that has waited longest."""
        self.limit.active -= 1
        if self.limit.due:
            self.limit.adjust()
        if self._waiting:
            self._hand_out_slots()
        elif not self.clear or self.on_clear is not None:
            self._review()

    def adjust(self) -> None:
        """Adjust the limit while no request calls `leave`: while large bodies are received, for example."""
        self.limit.adjust()
        self._hand_out_slots()

    def _hand_out_slots(self) -> None:
        while self._waiting and not self.limit.crowded():
            turn = self._waiting.popleft()
            if not turn.done():
                self.limit.take()
                turn.set_result(None)
        self._review()


class OriginLimits:
    """The gates of all origins of a run, and their shared limits.

    `per_origin`: maximal concurrent requests to one origin. `first`: the initial limit, from which the best
    one is found by trial; None: the limit is fixed. `least`: see `AdaptiveLimit`.
    """

    def __init__(
        self,
        per_origin: int,
        *,
        first: int | None = None,
        least: int = 1,
        rate_limiter: RateLimiter | None = None,
        outage_policy: OutagePolicy = DEFAULT_OUTAGE_POLICY,
    ) -> None:
        self.rate_limiter = rate_limiter or RateLimiter()
        self.clock = self.rate_limiter.clock
        self.outage_policy = outage_policy
        self.held_until: dict[str, float] = {}
        """host:port of origins without requests at present, and the end of that by `clock`"""
        self.on_change: Callable[[Gate], None] = lambda _: None
        """called when requests to an origin are held back, or no longer"""
        self._most = per_origin
        self._first = min(first or per_origin, per_origin)
        self._least = least
        self._learned: dict[str, int] = {}
        self._gates: dict[Origin, Gate] = {}
        self._max_gates = MAX_ORIGINS

    def gate(self, origin: Origin) -> Gate:
        """The gate of an origin, to be entered for each hop. Waiting there is not part of any timeout."""
        gate = self._gates.get(origin)
        if gate is None:
            if len(self._gates) >= self._max_gates:
                self._forget()
            gate = self._gates[origin] = self._new_gate(origin)
            self._recall(gate, origin)
        return gate

    def _new_gate(self, origin: Origin) -> Gate:
        return Gate(AdaptiveLimit(self._first, self._most, self.clock, self._least), origin, self)

    def _forget(self) -> None:
        """Drop the gates that are not in use. The best number of requests at a time is remembered."""
        self._learned = self.learned_limits()
        for origin, gate in list(self._gates.items()):
            if gate.forgettable:
                del self._gates[origin]
                self.held_until.pop(gate.name, None)
        self._max_gates = max(MAX_ORIGINS, 2 * len(self._gates))

    def recall(self, learned: dict[str, int]) -> None:
        """Begin with the best limits that an earlier run found, by origin as text."""
        self._learned = learned
        for origin, gate in self._gates.items():
            self._recall(gate, origin)

    def _recall(self, gate: Gate, origin: Origin) -> None:
        if (number := self._learned.get(str(origin))) is not None:
            gate.limit.recall(number)

    @property
    def fixed(self) -> bool:
        """Whether the number of requests at a time was given, instead of being found by trial."""
        return self._first == self._most

    def slots(self, enough: int) -> int:
        """Slots at all origins, counted up to `enough`.

        More transfers than that only wait for a slot, which costs each of them a task switch.
        """
        found = 0
        for gate in self._gates.values():
            found += gate.limit.allowed
            if found >= enough:  # this is asked twice for every file, and there may be many origins
                break
        return found

    def in_use(self) -> Iterator[Gate]:
        """The gates of the origins that have requests under way or waiting."""
        return (gate for gate in self._gates.values() if gate.limit.active or gate.contended)

    def end(self) -> None:
        """All requests of the run were sent. Raises `AccessLost`; see `AccessMonitor.end`."""
        for gate in self._gates.values():
            gate.access.end()

    def learned_limits(self) -> dict[str, int]:
        """The best limits by origin as text, those of earlier runs included.

        At most `MAX_ORIGINS`, unless this run alone has found more.
        """
        limits = {str(origin): gate.limit for origin, gate in self._gates.items()}
        found = {name: limit.settled for name, limit in limits.items() if limit.learned}
        earlier = [one for one in self._learned.items() if one[0] not in found]
        return dict([*earlier, *found.items()][-MAX_ORIGINS:])
