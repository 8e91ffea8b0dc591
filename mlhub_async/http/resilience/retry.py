"""When to try again, and when to stop: the only user of tenacity."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from ...core.errors import LocalShortage, Transient
from ...core.options import RetryPolicy

T = TypeVar("T")
MAX_RETRY_AFTER = 3600.0
"""A server that asks for more than an hour is not waited for: the rest is for another run."""
MAX_SERVER_WAIT = 1800.0
MAX_LOCAL_SHORTAGES = 60
"""Times that one operation waits for means of this machine: half a minute, when connections that nobody
uses have been closed long since."""
Sleep = Callable[[float], Awaitable[None]]

CHECK_SECONDS = 1.0
SUSPEND_GAP = 5.0
"""Seconds without a turn of the loop that no load explains."""
GRACE_SECONDS = 60.0
"""So long after it failures are no wonder: peers have hung up, the network is only coming back."""


def no_progress() -> int:
    return 0


def never_suspended() -> bool:
    return False


@dataclass
class _AttemptCounter:
    """Counts fruitless attempts. Progress refills it; a wait that the server asked for is not an attempt.

    `hopeless`: those of kinds that are worth few attempts. What failed otherwise in between does not count.
    """

    policy: RetryPolicy
    progress: Callable[[], int]
    mark: int
    uniform: Callable[[float, float], float]
    asleep: Callable[[], bool]
    longest: float
    fruitless: int = 0
    hopeless: int = 0
    waited: float = 0.0
    short: int = 0

    def count(self, state: RetryCallState) -> None:
        error = _error_of(state)
        error.free = error.free or self.asleep()
        if (now := self.progress()) > self.mark:
            self.mark, self.fruitless, self.hopeless, self.waited = now, 0, 0, 0.0
        self.fruitless += not error.free
        self.hopeless += error.tries is not None and not error.free
        self.short += isinstance(error, LocalShortage)
        if error.retry_after is not None and self.waited < self.longest:
            self.waited += max(error.retry_after, self.policy.base, 0.01)
            self.fruitless -= self.fruitless >= self.policy.attempts

    def spent(self, state: RetryCallState) -> bool:
        error = _error_of(state)
        if self.short >= MAX_LOCAL_SHORTAGES or (error.retry_after or 0) > MAX_RETRY_AFTER:
            return True
        given_up = error.tries is not None and self.hopeless >= error.tries
        return not error.free and (given_up or self.fruitless >= self.policy.attempts)

    def wait(self, state: RetryCallState) -> float:
        """Full jitter. What the server asked for is waited at the origin's gate, by everybody."""
        exponent = max(self.fruitless - 1, 0)
        return self.uniform(0, min(self.policy.cap, self.policy.base * 2**exponent))


def _error_of(state: RetryCallState) -> Transient:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, Transient):
        raise TypeError(f"only Transient is retried, not {error!r}")
    return error


class Retry:
    """Repeats an attempt while it raises `Transient`, by one policy. Safe to share between tasks."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        sleep: Sleep = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        asleep: Callable[[], bool] = never_suspended,
        patience: float = MAX_SERVER_WAIT,
    ) -> None:
        """`asleep`: whether we stood still lately, so that a failure is nobody's fault.

        `patience`: seconds of waiting at a server's request that one operation accepts without progress.
        """
        self._policy = policy
        self._sleep = sleep
        self._uniform = uniform
        self._asleep = asleep
        self._patience = patience

    async def __call__(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        progress: Callable[[], int] = no_progress,
        failed: Callable[[Transient], None] | None = None,
    ) -> T:
        """The result of the first attempt that succeeds; raises the last `Transient` otherwise.

        `progress` is a number that grows when an attempt got further than any before it; `failed` is
        told of every failure that will be tried again.
        """
        mark = progress()
        try:
            return await attempt()
        except Transient as error:
            first = [error]

        async def again() -> T:
            # The first attempt ran outside tenacity, which costs more than a small file does.
            if first:
                raise first.pop()
            return await attempt()

        budget = _AttemptCounter(self._policy, progress, mark, self._uniform, self._asleep, self._patience)
        return await AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            after=budget.count,
            stop=budget.spent,
            wait=budget.wait,
            before_sleep=lambda state: failed(_error_of(state)) if failed else None,
            sleep=self._sleep,
            reraise=True,
        )(again)


def suspended_seconds() -> float:
    """Seconds for which the machine itself slept since it was started: the monotonic clock stood as well."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class SuspendDetector:
    """`lately` says whether we woke up not long ago. It must be `watching`, else every pause is one."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, slept: Callable[[], float] = suspended_seconds
    ) -> None:
        self._clock = clock
        self._slept = slept
        self._seen, self._before = clock(), slept()
        self._woke = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look once a second, in the running loop."""
        self._tick()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _tick(self) -> None:
        self._look()
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._tick)

    def _look(self) -> None:
        now, slept = self._clock(), self._slept()
        if now - self._seen > SUSPEND_GAP or slept - self._before > SUSPEND_GAP:
            self._woke = now
        self._seen, self._before = now, slept

    def lately(self) -> bool:
        self._look()  # who asks may be quicker than the timer
        return self._clock() - self._woke < GRACE_SECONDS
