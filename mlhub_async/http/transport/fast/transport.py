"""The fast transport: HTTP/1.1 over pooled connections, for requests without a proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from ....core.errors import TransferError, Transient
from ....core.model import Request
from ....core.urls import Origin, origin, redacted
from ...resilience.suspend import SuspendDetector
from ..failures import (
    REPEATABLE,
    AddressCheck,
    errno_reason,
    invalid_response,
    local_shortage,
    resolution_error,
    tls_error,
)
from .connection import Connection
from .head import BadResponseError, DroppedError
from .lane import ConnectionLane, FailedOpening, LaneExchange
from .pool import ConnectionPool

if TYPE_CHECKING:
    from ....core.ports import Sink


class FastTransport:
    """See `ports.Transport`. Must be created in the running event loop, and closed by its owner.

    Timeouts are in seconds. `idle_timeout`: the longest wait for bytes. `check` is called with every address
    before a connection to it.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        connect_timeout: float,
        idle_timeout: float,
        check: AddressCheck,
        tls: ssl.SSLContext | None = None,
        suspends: SuspendDetector | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = ConnectionPool(check, tls, connect_timeout)
        self._common_fields = f"User-Agent: {user_agent}\r\n"
        self._idle_timeout = idle_timeout
        self._check_interval = min(max(idle_timeout / 8, 0.02), 1.0)
        self._active: set[Connection] = set()
        self._lanes: dict[Origin, ConnectionLane] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._suspends = suspends or SuspendDetector()
        self._suspend_count = 0

    async def send(self, request: Request, sink: Sink) -> None:
        target = origin(request.url)
        message = self._serialise(request)
        begun = request.begun.take_exchange() if request.begun is not None else None
        connection, sent, reused = self._at_hand(request, target, begun)
        try:
            if connection is not None:
                try:
                    first = None if sent else message
                    return await self._exchange(connection, target, first, sink, request.url)
                except DroppedError as dropped:
                    # The server had closed the idle connection. Repeated once, if nothing was received.
                    if dropped.response_begun or request.method not in REPEATABLE or not reused:
                        raise
            connection = await self._connect(target, request.url, begun)
            await self._exchange(connection, target, message, sink, request.url)
        except DroppedError as dropped:
            self._note_failure(target, connection)
            raise _dropped_error(dropped, request.url) from None
        except BadResponseError as error:
            self._note_failure(target, connection)
            where = redacted(request.url)
            raise invalid_response(where, str(error), head_complete=error.head_complete) from None
        except TimeoutError:
            self._note_failure(target, connection)
            raise Transient(f"{redacted(request.url)}: no data in time", kind="timeout") from None

    def lane(self, target: Origin) -> ConnectionLane:
        """The lane to an origin; see `ports.RequestLane`."""
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = ConnectionLane(self._pool, target, self._serialise)
            if self._timer is None:
                self._schedule_check()
        return lane

    def _at_hand(
        self, request: Request, target: Origin, begun: object | None
    ) -> tuple[Connection | None, bool, bool]:
        """An open connection for a request; whether that was sent over it; whether others were, before it."""
        if isinstance(begun, LaneExchange):
            return begun.take(), True, begun.reused
        opens = request.fresh or isinstance(begun, FailedOpening)
        return None if opens else self._pool.take(target), False, True

    def _note_failure(self, target: Origin, connection: Connection | None) -> None:
        if connection is not None and not connection.response_begun:
            self._pool.no_response(target, connection)

    async def _connect(self, target: Origin, url: str, begun: object | None) -> Connection:
        """A new connection; where one could not be opened for this request already, that is the failure."""
        try:
            if isinstance(begun, FailedOpening):
                raise begun.error
            return await self._pool.connect(target)
        except OSError as error:
            raise _connection_error(error, url) from None
        except UnicodeError:
            raise TransferError(f"{redacted(url)}: not a host name", kind="bad-href") from None

    async def _exchange(
        self, connection: Connection, target: Origin, message: bytes | None, sink: Sink, url: str
    ) -> None:
        self._active.add(connection)
        if self._timer is None:
            self._suspend_count = self._suspends.count()
            self._schedule_check()
        try:
            await connection.exchange(message, sink, url)
        finally:
            self._active.discard(connection)
        self._pool.give_back(target, connection)

    def _serialise(self, request: Request) -> bytes:
        """The bytes of a request. Raises `TransferError` for characters that would end a line early."""
        host, _, path = request.url.partition("://")[2].partition("/")
        lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
        body = request.body or b""
        if request.body is not None:
            lines += f"Content-Length: {len(body)}\r\n"
        head = f"{request.method} /{path} HTTP/1.1\r\nHost: {host}\r\n{self._common_fields}{lines}\r\n"
        line_ends = 4 + len(request.headers) + (request.body is not None)
        if (
            head.count("\n") != line_ends
            or head.count("\r") != line_ends
            or "\0" in head
            or " " in host + path
        ):
            raise TransferError(f"{redacted(request.url)}: a request field has a line break", kind="bad-href")
        return head.encode() + body

    def _schedule_check(self) -> None:
        self._timer = self._loop.call_later(self._check_interval, self._check_connections)

    def _check_connections(self) -> None:
        """End idle exchanges, deliver pieces of slow ones. One timer serves all connections."""
        now = self._loop.time()
        count = self._suspends.count()
        suspended, self._suspend_count = count != self._suspend_count, count
        for connection in list(self._active):
            if suspended:
                connection.last_active = now
            elif connection.is_idle(now - self._idle_timeout):
                connection.fail(TimeoutError())
            else:
                connection.flush()
        for lane in self._lanes.values():
            lane.give_away_older(now - self._check_interval)
        self._pool.close_expired()
        if self._active or self._pool.has_idle or self._lanes:
            self._schedule_check()
        else:
            self._timer = None

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for lane in self._lanes.values():
            await lane.close()
        for connection in self._active:
            connection.abort()
        self._pool.close()
        await asyncio.sleep(0)  # the loop closes aborted connections in its next iteration


def _dropped_error(dropped: DroppedError, url: str) -> Transient:
    name = errno_reason(getattr(dropped.cause, "errno", None))
    if dropped.head_complete:
        return Transient(f"{redacted(url)}: the body ended early ({name})", kind="truncated")
    return Transient(f"{redacted(url)}: connection lost ({name})", kind="connection")


def _connection_error(error: OSError, url: str) -> TransferError:
    """The error for a connection that could not be opened. Messages of libraries are not used: they may
    contain URLs.
    """
    where = redacted(url)
    if isinstance(error, ssl.SSLError):
        return tls_error(error, where)
    if isinstance(error, TimeoutError) and error.errno is None:
        return Transient(f"{where}: no connection in time", kind="timeout")
    if isinstance(error, socket.gaierror):
        return resolution_error(error.errno, where)
    if (short := local_shortage(error.errno, where)) is not None:
        return short
    return Transient(f"{where}: no connection ({errno_reason(error.errno)})", kind="unreachable")
