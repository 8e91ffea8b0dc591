"""The connection pool: opens connections after a check of every address, and reuses idle ones."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Sequence

import aiohappyeyeballs
from aiohappyeyeballs import AddrInfoType

from ....core.concurrency import spare_descriptors
from ....core.urls import Origin
from ..failures import AddressCheck
from ..resolver import Resolver
from .buffers import BufferPool
from .connection import Connection

MAX_CONNECTION_AGE_SECONDS = 3600.0
"""Older connections are not reused, so that name and certificate are checked again."""
MAX_IDLE_SECONDS = 15.0
"""Idle connections are closed after so long: most servers keep theirs open for longer."""
MAX_IDLE_CONNECTIONS = 256
"""Idle connections to all origins together; fewer where the limit of open files is low."""
HAPPY_EYEBALLS_DELAY_SECONDS = 0.25
"""After so long the next address is tried in parallel with one that does not answer (RFC 8305)."""


class ConnectionPool:
    """Connections by origin. Call `take`, else `connect`; after the exchange `give_back`; at the end `close`.

    `check(host, port, address)` is called before a connection is opened and raises if it is not allowed.
    `connect_timeout` is in seconds. `tls` None: the default context.
    """

    def __init__(self, check: AddressCheck, tls: ssl.SSLContext | None, connect_timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._resolver = Resolver(check)
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._buffers = BufferPool()
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._idle_count = 0
        self._max_idle = spare_descriptors(MAX_IDLE_CONNECTIONS)

    def take(self, origin: Origin) -> Connection | None:
        """The most recently used idle connection, None if there is none."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.usable:
                return connection
        return None

    async def connect(self, origin: Origin) -> Connection:
        """A new connection. Raises OSError (also TimeoutError, ssl.SSLError), or what `check` raises.

        A name that has other addresses by now is connected to there.
        """
        resolved_at = 0.0
        try:
            async with asyncio.timeout(self._connect_timeout):
                addresses = await self._resolver.addresses(origin.host, origin.port)
                resolved_at = self._loop.time()
                return await self._open(origin, addresses)
        except OSError:
            async with asyncio.timeout(self._connect_timeout):
                if not resolved_at or not await self._resolver.moved(origin.host, origin.port, resolved_at):
                    raise
                addresses = await self._resolver.addresses(origin.host, origin.port)
                return await self._open(origin, addresses)

    async def _open(self, origin: Origin, addresses: Sequence[AddrInfoType]) -> Connection:
        found = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_SECONDS, loop=self._loop
        )
        try:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secure = origin.scheme == "https"
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._loop, self._buffers),
                sock=found,
                ssl=self._tls_context() if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except BaseException:
            found.close()
            raise
        return connection

    def no_response(self, origin: Origin, connection: Connection) -> None:
        """A connection brought no response: later ones go to another address, if there is one."""
        self._resolver.failed(origin.host, origin.port, connection.created_at)

    def _tls_context(self) -> ssl.SSLContext:
        """Created for the first https origin: loading the certificates of the system is slow."""
        if self._tls is None:
            from ..tls import default_context  # most runs that read over http need none

            self._tls = default_context()
        return self._tls

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for later requests, if it is usable and not too old."""
        if not connection.usable:
            return
        if self._loop.time() - connection.created_at > MAX_CONNECTION_AGE_SECONDS:
            connection.abort()
        else:
            self._idle[origin].append(connection)
            self._idle_count += 1
            if self._idle_count > self._max_idle:
                self._close_oldest_half()

    def _close_oldest_half(self) -> None:
        """Close the half of the idle connections that was unused for longest."""
        last_active = sorted(connection.last_active for idle in self._idle.values() for connection in idle)
        self._close_unused_since(last_active[len(last_active) // 2])

    @property
    def has_idle(self) -> bool:
        """Whether there are idle connections."""
        return bool(self._idle)

    def close_expired(self) -> None:
        """Close connections that have been idle for `MAX_IDLE_SECONDS`."""
        self._close_unused_since(self._loop.time() - MAX_IDLE_SECONDS)

    def _close_unused_since(self, since: float) -> None:
        for origin, idle in list(self._idle.items()):
            while idle and (idle[0].last_active < since or not idle[0].usable):
                idle.popleft().abort()
                self._idle_count -= 1
            if not idle:
                del self._idle[origin]

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
        self._idle_count = 0
