"""Resolves host names for all transports: checks every address, and looks a name up anew after a failure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from aiohappyeyeballs import AddrInfoType

from .failures import AddressCheck
from .lookup import look_up

DNS_TTL_SECONDS = 300.0
FAILED_LOOKUP_TTL_SECONDS = 5.0
"""So long the addresses of an earlier look-up are used where a later one has failed."""
FRESH_SECONDS = 1.0
"""A name that was looked up less long ago is not looked up again at once."""
MAX_CACHED_HOSTS = 1000
"""Host names in the cache of addresses."""


SocketAddress = tuple[Any, ...]


class _Lookup(NamedTuple):
    """The addresses of a name, in the order in which they are to be tried. Times are those of the loop."""

    addresses: Sequence[AddrInfoType]
    looked_up_at: float
    changed_at: float
    """when these addresses were first found"""
    valid_until: float
    failed: tuple[SocketAddress, ...] = ()
    """addresses to which connections failed, the last one last"""


class Resolver:
    """Resolves host names, checks every address, and caches the addresses for `DNS_TTL_SECONDS`.

    Concurrent look-ups of one name share one query. `check(host, port, address)` raises if no connection to
    that address is allowed. After a failed connection the name is looked up again, and those of its addresses
    that have failed come last.
    """

    def __init__(self, check: AddressCheck) -> None:
        self._loop = asyncio.get_running_loop()
        self._check = check
        self._cache: dict[tuple[str, int], _Lookup] = {}
        self._locks: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    async def addresses(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Raises `socket.gaierror` for a name that was never found, and what the check raises."""
        async with self._locks.setdefault((host, port), asyncio.Lock()):
            known = self._cache.get((host, port))
            if known is None or known.valid_until < self._loop.time():
                known = await self._look_up(host, port, known)
                self._cache.pop((host, port), None)
                self._cache[host, port] = known
                if len(self._cache) > MAX_CACHED_HOSTS:
                    del self._cache[next(iter(self._cache))]  # the oldest entry
        return known.addresses

    async def _look_up(self, host: str, port: int, known: _Lookup | None) -> _Lookup:
        failed, ttl = known.failed if known is not None else (), DNS_TTL_SECONDS
        found: Sequence[AddrInfoType]
        try:
            found = await look_up(host, port)
        except socket.gaierror:
            if known is None:
                raise
            found, ttl = known.addresses, FAILED_LOOKUP_TTL_SECONDS
        for *_, address in found:
            self._check(host, port, str(address[0]))
        # Stable: addresses that have not failed keep the order of the system.
        order = {address: place for place, address in enumerate(failed)}
        found = sorted(found, key=lambda one: order.get(one[4], -1))
        now, present = self._loop.time(), {address for *_, address in found}
        same = known is not None and present == {address for *_, address in known.addresses}
        changed_at = known.changed_at if known is not None and same else now
        return _Lookup(found, now, changed_at, now + ttl, tuple(one for one in failed if one in present))

    def failed(self, host: str, port: int, resolved_at: float) -> None:
        """A connection to an address that was resolved at that time brought no response.

        Later connections look the name up again, unless that was done since then.
        """
        known = self._cache.get((host, port))
        if known is None or known.looked_up_at > resolved_at or known.valid_until < known.looked_up_at:
            return
        first = known.addresses[0][4]
        failed = (*(one for one in known.failed if one != first), first)
        self._cache[host, port] = known._replace(valid_until=float("-inf"), failed=failed)

    async def moved(self, host: str, port: int, resolved_at: float) -> bool:
        """The same for a connection that could not be opened. Whether the name now has other addresses."""
        known = self._cache.get((host, port))
        self.failed(host, port, resolved_at)
        if known is not None and self._loop.time() - known.looked_up_at > FRESH_SECONDS:
            await self.addresses(host, port)
        known = self._cache.get((host, port))
        return known is not None and known.changed_at > resolved_at
