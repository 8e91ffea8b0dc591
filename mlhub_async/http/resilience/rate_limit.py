"""The limits of a whole run: requests per second, bytes per second, bytes in total."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from ...core.concurrency import LazyAwaitable
from ...core.errors import LimitReached

Sleep = Callable[[float], Awaitable[None]]


class RateLimiter:
    """Shared by all requests of a run. None: no limit.

    `tpslimit`: requests per second; `bwlimit`: bytes per second; `max_transfer`: bytes of assets in total.
    """

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
        self._seconds_per_request = 1 / tpslimit if tpslimit else 0.0
        self._next_request_at = 0.0
        self._bandwidth = bwlimit
        self._bytes_left = max_transfer
        self._paid_until = 0.0

    @property
    def unlimited(self) -> bool:
        """Whether none of the limits is set."""
        return not self._seconds_per_request and self._bytes_left is self._bandwidth is None

    @property
    def delaying(self) -> bool:
        """Whether a limit holds requests or bytes back at this moment."""
        return max(self._next_request_at, self._paid_until) > self.clock()

    def turn(self) -> float:
        """Seconds until the request rate allows another request."""
        return self._next_request_at - self.clock() if self._seconds_per_request else 0.0

    async def wait_for_turn(self, seconds: float) -> None:
        """Wait for so long, as `turn` says; then it is to be asked again."""
        await self.sleep(seconds)

    def took_turn(self) -> None:
        """A request is sent."""
        if self._seconds_per_request:
            self._next_request_at = max(self._next_request_at, self.clock()) + self._seconds_per_request

    def pay(self, size: int, *, document: bool = False) -> Awaitable[None] | None:
        """Count received bytes. Returns an awaitable if the bandwidth limit requires a pause, else None.

        Raises `LimitReached` when `max_transfer` is exceeded. Documents do not count: else a run that
        continues an earlier one could use up the limit by its listing.
        """
        if self._bytes_left is not None and not document:
            self._bytes_left -= size
            if self._bytes_left < 0:
                raise LimitReached("--max-transfer is reached; run again to go on where this stopped")
        if self._bandwidth is None:
            return None
        now = self.clock()
        self._paid_until = max(self._paid_until, now - 0.1) + size / self._bandwidth
        wait = self._paid_until - now
        return LazyAwaitable(partial(self.sleep, wait)) if wait > 0 else None
