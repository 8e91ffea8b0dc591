"""Aborts transfers that are too slow: one timer checks all hops under way."""

from __future__ import annotations

import asyncio

from .hop import Hop
from .resilience.suspend import SuspendDetector
from .validators import strong_validator

STALL_SHARE = 1 / 6
"""Share of the window without new bytes after which one of the last transfers counts as stalled."""
CHECKS_PER_STALL = 4
"""Checks in that time, all of which must find no new bytes."""
CHEAP_TO_REFETCH_BYTES = 1 << 20
"""A transfer with fewer bytes is restarted even if it cannot be resumed."""


class Watchdog:
    """Aborts a body that receives less than `min_speed` bytes per second in a window of `window` seconds.

    A window in which the process was suspended, or the sink was busy at its end, does not count. `min_speed`
    0: no limit. The owner calls `close`.
    """

    def __init__(self, window: float, min_speed: int, suspends: SuspendDetector) -> None:
        self._window = window
        self._min_speed = min_speed
        self._suspends = suspends
        self._active: set[Hop] = set()
        self._speed_timer: asyncio.TimerHandle | None = None
        self._suspend_count = 0
        self._stall_timer: asyncio.TimerHandle | None = None
        self._unchanged: dict[Hop, tuple[int, int]] = {}
        """by hop: bytes received, and the number of checks since they last grew"""
        self._restarted_urls: set[str] = set()

    def begin(self, hop: Hop) -> None:
        """A hop begins. The timer runs only while there is one."""
        self._active.add(hop)
        if self._speed_timer is None and self._min_speed:
            self._suspend_count = self._suspends.count()
            self._speed_timer = asyncio.get_running_loop().call_later(self._window, self._check_speed)

    def end(self, hop: Hop) -> None:
        """A hop has ended, in whatever way."""
        self._active.discard(hop)

    def _check_speed(self) -> None:
        count = self._suspends.count()
        suspended, self._suspend_count = count != self._suspend_count, count
        for hop in self._active:
            counts = hop.received_before >= 0 and hop.head is not None and not hop.paused and not suspended
            helpers = hop.gate.limit.helper_streams
            # The segments of a file share the bandwidth: together they must be as fast as one stream.
            min_bytes = self._min_speed * self._window / (1 + max(hop.helpers_before, helpers))
            if counts and hop.received - hop.received_before < min_bytes:
                hop.abort(f"slower than {self._min_speed} bytes/s for {self._window:g} s")
            hop.received_before, hop.helpers_before = hop.received, helpers
        again = asyncio.get_running_loop().call_later
        self._speed_timer = again(self._window, self._check_speed) if self._active else None

    def restart_stalled(self) -> None:
        """From now on abort transfers that receive nothing for a while.

        Called when few transfers are left, so that a stalled one delays the end of the run. It is resumed
        over another connection, once per URL, and that does not count as an attempt.
        """
        if self._stall_timer is None:
            self._check_stalls()

    def _check_stalls(self) -> None:
        unchanged = {}
        for hop in self._active:
            received, checks = self._unchanged.get(hop, (-1, 0))
            same = received == hop.received and not hop.paused
            unchanged[hop] = (hop.received, checks + 1 if same else 0)
            stalled = unchanged[hop][1] >= CHECKS_PER_STALL
            if stalled and hop.url not in self._restarted_urls and _is_cheap_to_restart(hop):
                self._restarted_urls.add(hop.url)
                hop.stalled = True
                hop.abort("no data for a while")
        self._unchanged = unchanged
        seconds = self._window * STALL_SHARE / CHECKS_PER_STALL
        self._stall_timer = asyncio.get_running_loop().call_later(seconds, self._check_stalls)

    def close(self) -> None:
        """Stop the timers. May be called twice."""
        for timer in (self._speed_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._speed_timer = self._stall_timer = None


def _is_cheap_to_restart(hop: Hop) -> bool:
    """Whether the received bytes are few, or can be resumed from."""
    return hop.received < CHEAP_TO_REFETCH_BYTES or (
        hop.head is not None and bool(strong_validator(hop.head.headers))
    )
