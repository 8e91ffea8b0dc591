"""What a run may ask for and receive in all: requests per second, bytes per second, bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from ...core.concurrency import LazyAwaitable
from ...core.errors import LimitReached

Sleep = Callable[[float], Awaitable[None]]


class RateLimiter:
    """Shared by all requests of a run. None: there is no such limit."""

    def __init__(
        self,
        tpslimit: float | None = None,
        bwlimit: int | None = None,
        max_transfer: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self._interval = 1 / tpslimit if tpslimit else 0.0
        self._next_turn = 0.0
        self._bandwidth = bwlimit
        self._allowance = max_transfer
        self._paid_until = 0.0

    def turn(self) -> float:
        """Seconds until the request rate allows another request."""
        return self._next_turn - self.clock() if self._interval else 0.0

    def took_turn(self) -> None:
        if self._interval:
            self._next_turn = max(self._next_turn, self.clock()) + self._interval

    def pay(self, size: int, *, document: bool = False) -> Awaitable[None] | None:
        """Account for received bytes; an awaitable when the bandwidth limit wants a pause first.

        Raises `LimitReached` when the run has received all that it may; documents do not count, or a run
        that is to go on where the last one stopped would come no further than its listing.
        """
        if self._allowance is not None and not document:
            self._allowance -= size
            if self._allowance < 0:
                raise LimitReached("--max-transfer is reached; run again to go on where this stopped")
        if self._bandwidth is None:
            return None
        now = self.clock()
        self._paid_until = max(self._paid_until, now - 0.1) + size / self._bandwidth
        wait = self._paid_until - now
        return LazyAwaitable(partial(self.sleep, wait)) if wait > 0 else None
