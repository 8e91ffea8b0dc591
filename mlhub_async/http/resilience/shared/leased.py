"""The limits of a worker process: it uses the slots that the coordinator leases to it, and reports.

Requests wait at their gate until there is a slot, as everywhere; that they wait is what is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ....core.concurrency import LazyAwaitable
from ....core.errors import Transient
from ....core.urls import Origin
from ..circuit_breaker import CircuitBreaker, OutagePolicy
from ..concurrency import MAX_LIMIT, AdaptiveLimit
from ..gate import Gate, OriginLimits
from ..rate_limit import RateLimiter
from .breaker import ReportingBreaker
from .messages import GateReport, GateState

REPORT_SECONDS = 0.05
"""Between two reports. What others have to know at once is reported in the same turn of the event loop."""

Ask = Callable[[str, Any], Awaitable[Any]]
"""Asks the coordinator, and returns its answer."""


class LeasedRateLimiter(RateLimiter):
    """Asks the coordinator for each turn and for bytes: its rate limiter is that of the run.

    `by_requests`: requests have to wait for their turns; `by_bytes`: bytes have to be paid for.
    """

    def __init__(self, ask: Ask, *, by_requests: bool, by_bytes: bool) -> None:
        super().__init__()
        self._ask = ask
        self._by_requests, self._by_bytes = by_requests, by_bytes
        self._turns = 0

    @property
    def unlimited(self) -> bool:
        return not (self._by_requests or self._by_bytes)

    def turn(self) -> float:
        return 1.0 if self._by_requests and not self._turns else 0.0

    async def wait_for_turn(self, seconds: float) -> None:
        await self._ask("turn", None)
        self._turns += 1

    def took_turn(self) -> None:
        self._turns -= self._by_requests

    def pay(self, size: int, *, document: bool = False) -> Awaitable[None] | None:
        if not self._by_bytes:
            return None
        return LazyAwaitable(partial(self._ask, "pay", (size, document)))


class LeasedGate(Gate):
    """A gate whose slots are leased. `lease` is the number of the last message about it."""

    _limits: LeasedLimits

    def __init__(self, origin: Origin, limits: LeasedLimits) -> None:
        self.lease = 0
        self._events: list[tuple[Any, ...]] = []
        self._reported = (0, 0, 0)
        super().__init__(AdaptiveLimit(0, 0, limits.clock), origin, limits)

    def _new_breaker(self, limits: OriginLimits) -> CircuitBreaker:
        return ReportingBreaker(
            self._note,
            *(self.name, limits.outage_policy, limits.clock, self._changed),
            on_health=self._review,
        )

    def _note(self, *event: Any) -> None:
        if event[0] != "answered" or event[-1] or self._events[-1:] != [event]:
            self._limits.report_soon()
        self._events.append(event)

    def postpone(self, error: Transient) -> None:
        super().postpone(error)
        if error.retry_after is not None:
            self._note("postponed", error.retry_after)

    async def _take_slot(self) -> None:
        if not self.limit.allowed:
            self._limits.report_soon()
        await super()._take_slot()

    @property
    def forgettable(self) -> bool:
        return super().forgettable and not self.limit.allowed

    def obey(self, state: GateState) -> None:
        """Take over what the coordinator says of the origin."""
        self.lease, self.limit.allowed = state.lease, state.slots
        assert isinstance(self.breaker, ReportingBreaker)
        changed = self.breaker.obey(is_open=state.open, probe=state.probe, verdict=state.verdict)
        held_until = self._limits.clock() + state.held_for
        if state.held_for > 0 and held_until > self._held_until:
            self._held_until, changed = held_until, True
        if changed:
            self._changed()
        self._hand_out_slots()

    def report(self) -> GateReport | None:
        """What has happened since the last report; None if there is nothing to tell."""
        limit = self.limit
        orders = self.queued + self.orders()
        wanted = 2 * max(limit.allowed, 1) + orders if orders or limit.full else limit.active
        slots = max(limit.allowed, limit.active)
        measured, limit.full = limit.hand_over(), False
        if (self.lease, slots, wanted) == self._reported and not any(measured) and not self._events:
            return None
        self._reported, events, self._events = (self.lease, slots, wanted), self._events, []
        return GateReport(self.origin, self.lease, slots, wanted, measured, events)


class LeasedLimits(OriginLimits):
    """The gates of a worker. `tell` sends reports to the coordinator. Call `start` in the event loop."""

    def __init__(
        self,
        tell: Callable[[list[GateReport]], None],
        rate_limiter: RateLimiter,
        outage_policy: OutagePolicy,
    ) -> None:
        super().__init__(MAX_LIMIT, rate_limiter=rate_limiter, outage_policy=outage_policy)
        self._tell = tell
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def fixed(self) -> bool:
        return False

    def _new_gate(self, origin: Origin) -> Gate:
        return LeasedGate(origin, self)

    def start(self) -> None:
        """Report from now on, until `stop`."""
        self._timer = asyncio.get_running_loop().call_later(REPORT_SECONDS, self.start)
        self._report()

    def stop(self) -> None:
        for timer in (self._timer, self._soon):
            if timer is not None:
                timer.cancel()

    def report_soon(self) -> None:
        """Report in this turn of the event loop, once."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._report)

    def _report(self) -> None:
        self._soon = None
        gates = [gate for gate in self._gates.values() if isinstance(gate, LeasedGate)]
        if reports := [found for gate in gates if (found := gate.report()) is not None]:
            self._tell(reports)

    def obey(self, state: GateState) -> None:
        gate = self.gate(state.origin)
        assert isinstance(gate, LeasedGate)
        gate.obey(state)
