"""Repeats an operation that failed by `Transient`, and decides when to stop: the only user of tenacity."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ...core.errors import LocalShortage, Transient
from ...core.options import RetryPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
MAX_REQUESTED_WAIT_SECONDS = 1800.0
MIN_REQUESTED_WAIT_SECONDS = 0.01
"""A wait counts as so much at least, so that even the shortest ones come to an end."""
MAX_LOCAL_SHORTAGES = 60
"""Failures for want of descriptors, ports or memory that one operation bears. They take half a minute, in
which idle connections have long been closed."""
Sleep = Callable[[float], Awaitable[None]]


def no_progress() -> int:
    """For operations that never get further than their last attempt did."""
    return 0


def never_suspended() -> bool:
    """For programs that are never suspended, such as most tests."""
    return False


@dataclass(slots=True, eq=False, repr=False)
class _AttemptCounter:
    """Counts the fruitless attempts of one operation. Progress sets all counters back.

    `few_tries` counts those failures whose kind is worth only a few attempts. `requested_wait` adds up the
    seconds that the server asked to be left alone for: such a failure does not use up the last attempt,
    until they exceed `max_requested_wait`.
    """

    policy: RetryPolicy
    progress: Callable[[], int]
    best: int
    uniform: Callable[[float, float], float]
    suspended_lately: Callable[[], bool]
    max_requested_wait: float
    fruitless: int = 0
    few_tries: int = 0
    requested_wait: float = 0.0
    local_shortages: int = 0

    def count(self, state: RetryCallState) -> None:
        error = _error_of(state)
        error.free = error.free or self.suspended_lately()
        if (reached := self.progress()) > self.best:
            self.best, self.fruitless, self.few_tries, self.requested_wait = reached, 0, 0, 0.0
        self.fruitless += not error.free
        self.few_tries += error.tries is not None and not error.free
        self.local_shortages += isinstance(error, LocalShortage)
        if error.retry_after is not None and self.requested_wait < self.max_requested_wait:
            self.requested_wait += max(error.retry_after, self.policy.base, MIN_REQUESTED_WAIT_SECONDS)
            self.fruitless -= self.fruitless >= self.policy.attempts

    def exhausted(self, state: RetryCallState) -> bool:
        error = _error_of(state)
        if error.final or self.local_shortages >= MAX_LOCAL_SHORTAGES:
            return True
        if error.waits_alone and (error.retry_after or 0.0) > self.max_requested_wait:
            return True
        enough = error.tries is not None and self.few_tries >= error.tries
        return not error.free and (enough or self.fruitless >= self.policy.attempts)

    def backoff(self, state: RetryCallState) -> float:
        """Seconds to wait, with full jitter.

        The origin's gate keeps the wait that the server asked for, unless that is for one resource only.
        """
        exponent, error = max(self.fruitless - 1, 0), _error_of(state)
        jitter = self.uniform(0, min(self.policy.cap, self.policy.base * 2**exponent))
        return max(jitter, error.retry_after or 0.0) if error.waits_alone else jitter


def _error_of(state: RetryCallState) -> Transient:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, Transient):
        raise TypeError(f"only Transient is retried, not {error!r}")
    return error


class Retry:
    """Repeats an attempt while it raises `Transient`, by one policy. Tasks may share it."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        sleep: Sleep = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        suspended_lately: Callable[[], bool] = never_suspended,
        max_requested_wait: float = MAX_REQUESTED_WAIT_SECONDS,
    ) -> None:
        """`suspended_lately`: whether this process stood still, so that a failure is nobody's fault.

        `max_requested_wait`: seconds of waiting at a server's request that one operation accepts without
        progress, before such failures use up its attempts as others do.
        """
        self._policy = policy
        self.attempts = policy.attempts
        self._sleep = sleep
        self._uniform = uniform
        self._suspended_lately = suspended_lately
        self._max_requested_wait = max_requested_wait

    async def __call__(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        progress: Callable[[], int] = no_progress,
        failed: Callable[[Transient], None] | None = None,
    ) -> T:
        """The result of the first attempt that succeeds; raises the last `Transient` otherwise.

        `progress` gives a number that grows when an attempt gets further than all before it; `failed` is
        called with every failure after which there is another attempt.
        """
        best = progress()
        try:
            return await attempt()
        except Transient as error:
            first = [error]
        # Most runs never come here, and the import takes a twentieth of the start-up.
        from tenacity import AsyncRetrying, retry_if_exception_type

        async def repeat() -> T:
            # The first attempt ran outside tenacity, which costs more than a small file does.
            if first:
                raise first.pop()
            return await attempt()

        counter = _AttemptCounter(
            self._policy, progress, best, self._uniform, self._suspended_lately, self._max_requested_wait
        )
        return await AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            after=counter.count,
            stop=counter.exhausted,
            wait=counter.backoff,
            before_sleep=lambda state: failed(_error_of(state)) if failed else None,
            sleep=self._sleep,
            reraise=True,
        )(repeat)


def load_tenacity() -> None:
    """Import it before anything fails: an import needs a descriptor, and they may be used up then."""
    import tenacity  # noqa: F401
