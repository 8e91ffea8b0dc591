"""Tokens that end: each is fetched by one request for all that wait for it, and renewed before its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from ...core.secret import Secret

K = TypeVar("K", bound=Hashable)
RENEWED_BEFORE_SECONDS = 60.0
"""So long before its end a token is used no more: a request that has it may wait for its turn."""
MIN_USE_SECONDS = 60.0
"""So long a token is used however soon it ends: the clock of this machine may be wrong."""
BELIEVED_SECONDS = 60.0
"""So long after a renewal that a refusal has caused, refusals are no reason for another one."""


class Token(NamedTuple):
    """A token; `until` is the Unix time of its end, None if that is not known."""

    secret: Secret
    until: float | None = None


class _Held(NamedTuple):
    token: Token | None
    use_until: float | None
    believed_until: float


class _Flight:
    """One request for a token, and how many wait for it."""

    def __init__(self, task: asyncio.Future[None]) -> None:
        self.task = task
        self.waiting = 0


class TokenCache(Generic[K]):
    """Tokens by key, such as one per container. `fetch` gets one, or None where there is none for the key.

    What `fetch` raises is raised by `renew`, for each that waits.
    """

    def __init__(self, fetch: Callable[[K], Awaitable[Token | None]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._held: dict[K, _Held] = {}
        self._running: dict[K, _Flight] = {}

    def put(self, key: K, token: Token) -> None:
        """Use a token that was not fetched."""
        self._hold(key, token, believed_until=0.0)

    def get(self, key: K) -> Token | None:
        """The token for a key, None where it is about to end or none was fetched."""
        held = self._held.get(key)
        if held is None or (held.use_until is not None and self._clock() >= held.use_until):
            return None
        return held.token

    def lacks(self, key: K) -> bool:
        """Whether it is known that there is no token for this key."""
        held = self._held.get(key)
        return held is not None and held.token is None

    def held(self) -> list[tuple[K, Token]]:
        """All tokens there are, those included that have ended."""
        return [(key, one.token) for key, one in self._held.items() if one.token is not None]

    async def renew(self, key: K, refused: Secret | None = None) -> bool:
        """Get a token, where the one for this key has ended or is the one that was `refused`.

        Whether there is another token now than the one that was refused.
        """
        if (token := self.get(key)) is not None:
            if refused is None or token.secret != refused:
                return True
            if self._clock() < self._held[key].believed_until:
                return False
        elif self.lacks(key):
            return False
        await self._join(key, after_refusal=refused is not None)
        token = self.get(key)
        return token is not None and token.secret != refused

    async def _join(self, key: K, *, after_refusal: bool) -> None:
        """Wait for the one request for a token. It is cancelled when nobody waits for it any more."""
        flight = self._running.get(key)
        if flight is None:
            task = asyncio.ensure_future(self._get(key, after_refusal=after_refusal))
            flight = self._running[key] = _Flight(task)
            task.add_done_callback(lambda _: self._end(key, flight))
        flight.waiting += 1
        try:
            await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._end(key, flight)
                flight.task.cancel()

    def _end(self, key: K, flight: _Flight) -> None:
        if self._running.get(key) is flight:
            del self._running[key]

    async def _get(self, key: K, *, after_refusal: bool) -> None:
        token = await self._fetch(key)
        self._hold(key, token, self._clock() + BELIEVED_SECONDS if after_refusal else 0.0)

    def _hold(self, key: K, token: Token | None, believed_until: float) -> None:
        use_until = None
        if token is not None and token.until is not None:
            use_until = max(token.until - RENEWED_BEFORE_SECONDS, self._clock() + MIN_USE_SECONDS)
        self._held[key] = _Held(token, use_until, believed_until)
