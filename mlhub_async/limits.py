"""How hard we may lean on a server: slots and holds per origin, request rate, bandwidth."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable

from .errors import LimitReached, Transient
from .urls import Origin

Sleep = Callable[[float], Awaitable[None]]


class Gate:
    """Admits a number of requests at a time to one origin, and none while the origin is held.

    Enter it (`enter_at_once`, else `await enter`) before a hop and `leave` it after. Waiting is fair.
    """

    def __init__(self, slots: int, limits: Limits) -> None:
        self._free = slots
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._limits = limits
        self.until = 0.0
        self.closed_until = 0.0

    def enter_at_once(self) -> bool:
        """Take a slot if that needs no waiting: the ordinary case, without a coroutine."""
        if self.closed_until:
            self._refuse_if_closed()
        if not self._free or self._waiting or self._wait() > 0:
            return False
        self._free -= 1
        self._limits.took_turn()
        return True

    def _refuse_if_closed(self) -> None:
        left = self.closed_until - self._limits.clock()
        if left > 0:
            raise Transient(
                f"the server asked not to be asked for another {left:.0f} s",
                kind="throttled",
                retry_after=left,
            )

    def _wait(self) -> float:
        return max(self.until - self._limits.clock() if self.until else 0.0, self._limits.turn())

    async def enter(self) -> None:
        await self._slot()
        try:
            while (wait := self._wait()) > 0:
                await self._limits.sleep(wait)
            self._refuse_if_closed()
            self._limits.took_turn()
        except BaseException:
            self.leave()
            raise

    async def _slot(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
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
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


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
        """The gate of an origin, to be entered around one hop. Waiting there is never part of a timeout."""
        gate = self._gates.get(origin)
        if gate is None:
            gate = self._gates[origin] = Gate(self._per_origin, self)
        return gate

    def hold(self, origin: Origin, seconds: float) -> None:
        """No request goes to this origin before the time is over. Jitter keeps the return spread out."""
        until = self.clock() + seconds + random.uniform(0, min(0.1 * seconds, 30.0))
        gate = self.slot(origin)
        gate.until = max(gate.until, until)

    def close(self, origin: Origin, seconds: float) -> None:
        """Longer than this run will wait: every further request to this origin fails at once."""
        gate = self.slot(origin)
        gate.closed_until = max(gate.closed_until, self.clock() + seconds)

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
