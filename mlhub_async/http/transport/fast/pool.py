"""Connections to many origins: made with every address checked, kept while they are fresh."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Sequence
from weakref import WeakValueDictionary

import aiohappyeyeballs

from ....core.concurrency import spare_descriptors
from ....core.urls import Origin
from ..failures import AddressCheck
from .buffers import BufferPool
from .connection import Connection

MAX_CONNECTION_AGE = 3600.0
"""Seconds a connection is used at most: then name and certificate are looked at anew."""
MAX_IDLE_SECONDS = 15.0
"""Seconds an unused connection is kept: less than most servers keep theirs."""
MAX_IDLE = 256
"""Unused connections that are kept at most, to all origins together; fewer where few files may be open."""
DNS_SECONDS = 300.0
MAX_NAMES = 1000
"""Host names whose addresses are remembered."""
HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds before the next address is tried beside one that does not answer (RFC 8305)."""


class ConnectionPool:
    """`take` or `connect`, then `give_back`. `check(host, port, address)` raises where nobody may connect."""

    def __init__(self, check: AddressCheck, tls: ssl.SSLContext | None, connect_timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._names = _Resolver(self._loop, check)
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._buffers = BufferPool()
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._kept = 0
        self._most = spare_descriptors(MAX_IDLE)

    def take(self, place: Origin) -> Connection | None:
        """The connection that was used last, if one is left."""
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            self._kept -= 1
            if connection.usable:
                return connection
        return None

    async def connect(self, place: Origin) -> Connection:
        """Raises OSError (TimeoutError and ssl.SSLError among them), or what `check` raises."""
        async with asyncio.timeout(self._connect_timeout):
            addresses = await self._names.addresses(place.host, place.port)
            found = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY, loop=self._loop
            )
            try:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                secure = place.scheme == "https"
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._buffers),
                    sock=found,
                    ssl=self._context() if secure else None,
                    server_hostname=place.host if secure else None,
                )
            except BaseException:
                found.close()
                raise
        return connection

    def _context(self) -> ssl.SSLContext:
        """Made for the first host that needs one: to read the system's certificates takes its time."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def give_back(self, place: Origin, connection: Connection) -> None:
        if not connection.usable:
            return
        if self._loop.time() - connection.made > MAX_CONNECTION_AGE:
            connection.abort()
        else:
            self._idle[place].append(connection)
            self._kept += 1
            if self._kept > self._most:
                self._shed()

    def _shed(self) -> None:
        """Of too many to too many origins close the half that nobody has used for longest."""
        heard = sorted(connection.heard for idle in self._idle.values() for connection in idle)
        self._close_unheard(heard[len(heard) // 2])

    @property
    def kept(self) -> bool:
        return bool(self._idle)

    def tidy(self) -> None:
        """Close what nobody has used for a while."""
        self._close_unheard(self._loop.time() - MAX_IDLE_SECONDS)

    def _close_unheard(self, since: float) -> None:
        for place, idle in list(self._idle.items()):
            while idle and (idle[0].heard < since or not idle[0].usable):
                idle.popleft().abort()
                self._kept -= 1
            if not idle:
                del self._idle[place]

    def close(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
        self._kept = 0


class _Resolver:
    """What host names stand for: asked once for all, remembered for minutes, every address checked."""

    def __init__(self, loop: asyncio.AbstractEventLoop, check: AddressCheck) -> None:
        self._loop = loop
        self._check = check
        self._known: dict[tuple[str, int], tuple[float, Sequence[aiohappyeyeballs.AddrInfoType]]] = {}
        self._asking: WeakValueDictionary[tuple[str, int], asyncio.Lock] = WeakValueDictionary()

    async def addresses(self, host: str, port: int) -> Sequence[aiohappyeyeballs.AddrInfoType]:
        async with self._asking.setdefault((host, port), asyncio.Lock()):
            until, found = self._known.get((host, port), (0.0, ()))
            if until < self._loop.time():
                found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                for *_, address in found:
                    self._check(host, port, str(address[0]))
                self._known.pop((host, port), None)
                self._known[host, port] = self._loop.time() + DNS_SECONDS, found
                if len(self._known) > MAX_NAMES:
                    del self._known[next(iter(self._known))]  # what was looked up longest ago
        return found
