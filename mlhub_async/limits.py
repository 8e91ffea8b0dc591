"""How hard we may lean on a server: slots and holds per origin, request rate, bandwidth."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from types import TracebackType

from .errors import LimitReached
from .urls import Origin

Sleep = Callable[[float], Awaitable[None]]


class Gate:
    """Admits a number of requests at a time to one origin, and none while the origin is held."""

    def __init__(self, slots: int, limits: Limits) -> None:
        self._free = asyncio.Semaphore(slots)
        self._limits = limits
        self.until = 0.0

    async def __aenter__(self) -> None:
        await self._free.acquire()
        try:
            while (wait := max(self.until - self._limits.clock(), self._limits.turn())) > 0:
                await self._limits.sleep(wait)
            self._limits.took_turn()
        except BaseException:
            self._free.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()


class Limits:
    """Shared by all requests of a run. `hold` is how one answer of a server slows everybody down."""

    def __init__(
        self,
        per_origin: int,
        *,
        tpslimit: float | None = None,
        bwlimit: int | None = None,
        max_transfer: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self._per_origin = per_origin
        self._interval = 1 / tpslimit if tpslimit else 0.0
        self._next_turn = 0.0
        self._bandwidth = bwlimit
        self._allowance = max_transfer
        self._paid_until = 0.0
        self._gates: dict[Origin, Gate] = {}

    def slot(self, origin: Origin) -> Gate:
        """`async with limits.slot(origin):` around one hop. Waiting for it is never part of a timeout."""
        gate = self._gates.get(origin)
        if gate is None:
            gate = self._gates[origin] = Gate(self._per_origin, self)
        return gate

    def hold(self, origin: Origin, seconds: float) -> None:
        """No request goes to this origin before the time is over. Jitter keeps the return spread out."""
        until = self.clock() + seconds + random.uniform(0, min(0.1 * seconds, 30.0))
        gate = self.slot(origin)
        gate.until = max(gate.until, until)

    def turn(self) -> float:
        """Seconds until the request rate allows another request."""
        return self._next_turn - self.clock() if self._interval else 0.0

    def took_turn(self) -> None:
        if self._interval:
            self._next_turn = max(self._next_turn, self.clock()) + self._interval

    def pay(self, size: int) -> Awaitable[None] | None:
        """Account for received bytes; an awaitable when the bandwidth limit wants a pause first.

        Raises `LimitReached` when the run has received all that it may.
        """
        if self._allowance is not None:
            self._allowance -= size
            if self._allowance < 0:
                raise LimitReached("--max-transfer is reached; run again to go on where this stopped")
        if self._bandwidth is None:
            return None
        now = self.clock()
        self._paid_until = max(self._paid_until, now - 0.1) + size / self._bandwidth
        wait = self._paid_until - now
        return self.sleep(wait) if wait > 0 else None
