"""Why a run was no faster: samples which part the others wait for."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from ...core.telemetry import Meter
from ...http.resilience.gate import Gate, OriginLimits
from ...storage.inline import processor_wait

EVERY_SECONDS = 0.1
BUSY_SHARE = 0.8
"""Of a processor: the event loop has one, so that more of it means that the program computes all the time."""
LATE_SHARE = 0.5
"""Of the period: a timer that is so late while the processor is idle shows that the disk held up the loop."""
LATENCY_SHARE = 0.6
"""Of the time of the transfers that is spent waiting for heads, from which on bodies do not matter."""
ENOUGH_SECONDS = 2.0
"""A shorter run has too few samples to say anything."""


def processor_seconds() -> float:
    """Processor time of this process, and the time for which this thread waited for a processor."""
    return time.process_time() + processor_wait()


class Cause(StrEnum):
    """What a run waits for."""

    CPU = "cpu"
    DISK = "disk"
    OWN_LIMIT = "own-limit"
    SERVER_LIMIT = "server-limit"
    LATENCY = "latency"
    BANDWIDTH = "bandwidth"
    LISTING = "listing"


class Bottleneck:
    """Seconds by cause, and the origins that the transfers were at. `sampled` takes the samples.

    `disk_busy` says whether a thread works for the disk. `clock` and `cpu` return seconds: of a monotonic
    clock, and for which this process had a processor or waited for one.
    """

    def __init__(
        self,
        limits: OriginLimits,
        meter: Meter,
        disk_busy: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = processor_seconds,
    ) -> None:
        self.seconds: defaultdict[Cause, float] = defaultdict(float)
        self.slot_seconds: defaultdict[str, float] = defaultdict(float)
        """by origin: time that its requests were under way, all together"""
        self._limits, self._meter, self._disk_busy = limits, meter, disk_busy
        self._clock, self._cpu = clock, cpu
        self._then, self._cpu_then = clock(), cpu()
        self._waited: dict[str, float] = {}

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Take samples within the block, by a timer of the running event loop."""
        loop = asyncio.get_running_loop()
        self._then, self._cpu_then = self._clock(), self._cpu()

        def tick() -> None:
            self.sample()
            timers[:] = [loop.call_later(EVERY_SECONDS, tick)]

        timers = [loop.call_later(EVERY_SECONDS, tick)]
        try:
            yield
        finally:
            timers[0].cancel()

    def sample(self) -> None:
        """Find out what the time since the last sample went to."""
        now, cpu = self._clock(), self._cpu()
        passed, used = now - self._then, cpu - self._cpu_then
        self._then, self._cpu_then = now, cpu
        if passed <= 0:
            return
        gates = list(self._limits.in_use())
        for gate in gates:
            self.slot_seconds[gate.name] += gate.limit.active * passed
            self._waited[gate.name] = gate.limit.waited
        cause = self._cause(gates, now, passed, used)
        if cause is not None:
            self.seconds[cause] += passed

    def _cause(self, gates: Sequence[Gate], now: float, passed: float, used: float) -> Cause | None:
        if used >= BUSY_SHARE * passed:
            return Cause.CPU
        if passed - used > (1 + LATE_SHARE) * EVERY_SECONDS or self._disk_busy():
            return Cause.DISK
        if self._limits.rate_limiter.delaying:
            return Cause.OWN_LIMIT
        if any(until > now for until in self._limits.held_until.values()):
            return Cause.SERVER_LIMIT
        if any(not gate.limit.is_cool(now) for gate in gates):
            return Cause.SERVER_LIMIT
        if self._meter.done < self._meter.selected and gates:
            return Cause.BANDWIDTH  # or latency: see `found`
        return None if self._meter.listing_ended else Cause.LISTING

    @property
    def found(self) -> dict[str, float]:
        """The share of each cause in the time that has one, the largest first. Empty after a short run."""
        total = sum(self.seconds.values())
        if total < ENOUGH_SECONDS:
            return {}
        seconds = dict(self.seconds)
        if self._latency_share >= LATENCY_SHARE:
            seconds[Cause.LATENCY] = seconds.pop(Cause.BANDWIDTH, 0.0)
        largest_first = sorted(seconds.items(), key=lambda one: one[1], reverse=True)
        return {cause.value: spent / total for cause, spent in largest_first if spent}

    @property
    def _latency_share(self) -> float:
        slots = sum(self.slot_seconds.values())
        return sum(self._waited.values()) / slots if slots else 0.0

    @property
    def slowest_host(self) -> tuple[str, float] | None:
        """The origin with most of the time of all transfers, and its share; None: there is only one."""
        if len(self.slot_seconds) < 2:
            return None
        name, seconds = max(self.slot_seconds.items(), key=lambda one: one[1])
        return name, seconds / sum(self.slot_seconds.values())
