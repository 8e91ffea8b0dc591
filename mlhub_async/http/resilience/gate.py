"""How hard we may lean on a server: slots and holds per origin."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from ...core.concurrency import parked
from ...core.errors import Transient
from ...core.urls import Origin
from .circuit_breaker import PATIENT, AccessMonitor, CircuitBreaker, Outage
from .concurrency import AdaptiveLimit
from .rate_limit import RateLimiter

MAX_ORIGINS = 1000
"""Hosts that are remembered in any case; of more those are forgotten whom nobody asks at the time."""


class Gate:
    """Admits a number of requests at a time to one origin, and none while the origin is to be left alone.

    Enter it (`enter_at_once`, else `await enter`) before a hop and `leave` it after. Waiting is fair.
    """

    def __init__(self, pace: AdaptiveLimit, origin: Origin, limits: OriginLimits) -> None:
        self.limit = pace
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._limits = limits
        self._rate_limiter = limits.rate_limiter
        self._clear = True
        self._news = asyncio.Event()
        self._until = 0.0
        self._closed_until = 0.0
        self.name = f"{origin.host}:{origin.port}"
        self.access = AccessMonitor(self.name)
        self.breaker = CircuitBreaker(self.name, limits.outage, limits.clock, self._changed)

    def enter_at_once(self) -> bool:
        """Take a slot if that needs no waiting: the ordinary case, without a coroutine."""
        if not self._clear or self._waiting or self.limit.crowded() or self._rate_limiter.turn() > 0:
            return False
        self.limit.take()
        self._rate_limiter.took_turn()
        return True

    @property
    def spare(self) -> int:
        """Places that are free and nobody waits for."""
        return self.limit.allowed - self.limit.active if self._clear and not self._waiting else 0

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a place."""
        return bool(self._waiting)

    @property
    def idle(self) -> bool:
        """Nobody is here, and there is no word about asking this origin, nor about our credentials."""
        return self._clear and not (self.limit.active or self._waiting or self.access.known)

    def hold(self, seconds: float) -> None:
        """Nobody asks before the time is over."""
        self._until = max(self._until, self._limits.clock() + seconds)
        self._changed()

    def close(self, seconds: float) -> None:
        """Longer than this run will wait: every further request fails at once."""
        self._closed_until = max(self._closed_until, self._limits.clock() + seconds)
        self._changed()

    def _changed(self) -> None:
        self._clear = False
        self._limits.held[self.name] = max(self._until, self.breaker.until)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _admits(self) -> bool:
        """Whether a request may go out now. Raises if none may in this run."""
        self.breaker.refuse()
        now = self._limits.clock()
        if now < self._closed_until:
            left = self._closed_until - now
            words = f"the server asked not to be asked for another {left:.0f} s"
            raise Transient(words, kind="throttled", retry_after=left)
        admits = now >= self._until and self.breaker.admits
        self._clear = admits and not self.breaker.open
        return admits

    async def enter(self) -> None:
        """Wait for a slot, or raise what was found about this origin."""
        while not await self._entered():
            pass

    async def _entered(self) -> bool:
        """False if the origin was shut while we waited for a slot."""
        if not self._admits():
            with parked():
                while not self._admits():
                    await self._better_times()
        await self._slot()
        try:
            while (wait := self._rate_limiter.turn()) > 0:
                await self._rate_limiter.sleep(wait)
            entered = self._admits()
        except BaseException:
            self.leave()
            raise
        if not entered:
            self.leave()
            return False
        self.breaker.ask()
        self._rate_limiter.took_turn()
        return True

    async def _better_times(self) -> None:
        """The end of a pause, or what a probe that is under way finds out."""
        wait = max(self._until, self.breaker.until) - self._limits.clock()
        if wait > 0:
            await self._rate_limiter.sleep(wait)
        elif not self.breaker.admits:  # else the time has come since we looked
            await self._news.wait()

    async def _slot(self) -> None:
        if not self._waiting and not self.limit.crowded():
            self.limit.take()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # the slot was handed over just as we were cancelled
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give the slot back: to the one who has waited longest, if anybody has."""
        self.limit.active -= 1
        if self.limit.due:
            self.limit.look()
        if self._waiting:
            self._admit()

    def look(self) -> None:
        """While large bodies come nobody leaves: look whether more places would bring more."""
        self.limit.look()
        self._admit()

    def _admit(self) -> None:
        while self._waiting and not self.limit.crowded():
            turn = self._waiting.popleft()
            if not turn.done():
                self.limit.take()
                turn.set_result(None)


class OriginLimits:
    """Shared by all requests of a run. `hold` is how one answer of a server slows everybody down.

    To one origin go at most `per_origin` requests at a time; with `first`, how many is found by trying.
    """

    def __init__(
        self,
        per_origin: int,
        *,
        first: int | None = None,
        budget: RateLimiter | None = None,
        outage: Outage = PATIENT,
    ) -> None:
        self.rate_limiter = budget or RateLimiter()
        self.clock = self.rate_limiter.clock
        self.outage = outage
        self.held: dict[str, float] = {}
        """hosts that are left alone, and until when by our clock"""
        self._most = per_origin
        self._first = min(first or per_origin, per_origin)
        self._learned: dict[str, int] = {}
        self._gates: dict[Origin, Gate] = {}
        self._enough = MAX_ORIGINS

    def gate(self, origin: Origin) -> Gate:
        """The gate of an origin, to be entered around one hop. Waiting there is never part of a timeout."""
        gate = self._gates.get(origin)
        if gate is None:
            if len(self._gates) >= self._enough:
                self._forget()
            gate = self._gates[origin] = Gate(
                AdaptiveLimit(self._first, self._most, self.clock), origin, self
            )
            self._recall(gate, origin)
        return gate

    def _forget(self) -> None:
        """Of a host that is met again it is known how it is served best, but no trouble that has passed."""
        self._learned = self.learned_limits()
        for origin, gate in list(self._gates.items()):
            if gate.idle:
                del self._gates[origin]
                self.held.pop(gate.name, None)
        self._enough = max(MAX_ORIGINS, 2 * len(self._gates))

    def recall(self, learned: dict[str, int]) -> None:
        """Places per host as an earlier run found them best, by the origin's name."""
        self._learned = learned
        for origin, gate in self._gates.items():
            self._recall(gate, origin)

    def _recall(self, gate: Gate, origin: Origin) -> None:
        if (number := self._learned.get(str(origin))) is not None:
            gate.limit.recall(number)

    @property
    def fixed(self) -> bool:
        """Whether the number of requests at a time was given, not to be found out."""
        return self._first == self._most

    def useful(self, enough: int) -> int:
        """So many transfers find a place now: one that had to wait for it would cost a task switch more."""
        found = 0
        for gate in self._gates.values():
            found += gate.limit.allowed
            if found >= enough:  # it is asked twice for every file, and there may be many hosts
                break
        return found

    def end(self) -> None:
        """All has been asked for. Raises `AccessLost` where a host refused our credentials to the last."""
        for gate in self._gates.values():
            gate.access.end()

    def learned_limits(self) -> dict[str, int]:
        """How many places hosts were found to be served best by, earlier runs' too while there is room."""
        found = {str(place): gate.limit.settled for place, gate in self._gates.items() if gate.limit.learned}
        earlier = [one for one in self._learned.items() if one[0] not in found]
        return dict([*earlier, *found.items()][-MAX_ORIGINS:])

    def hold(self, origin: Origin, seconds: float) -> None:
        """No request goes to this origin before the time is over. Jitter keeps the return spread out."""
        self.gate(origin).hold(seconds + random.uniform(0, min(0.1 * seconds, 30.0)))

    def close(self, origin: Origin, seconds: float) -> None:
        """Longer than this run will wait: every further request to this origin fails at once."""
        self.gate(origin).close(seconds)
