"""The fast transport: requests on kept connections, and the words for what goes wrong with them."""

from __future__ import annotations

import asyncio
import socket
import ssl

from ....core.errors import TransferError, Transient
from ....core.model import Request
from ....core.ports import Sink
from ....core.urls import Origin, origin, redacted
from ...resilience.suspend import SuspendDetector
from ..failures import AddressCheck, errno_reason, local_shortage, resolution_error
from .connection import Connection
from .head import BadResponseError, DroppedError
from .pool import ConnectionPool


class FastTransport:
    """See `ports.Transport`. Must be made inside the running loop; times in seconds."""

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
        self._common = f"User-Agent: {user_agent}\r\n"
        self._patience = idle_timeout
        self._tick = min(max(idle_timeout / 8, 0.02), 1.0)
        self._active: set[Connection] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._suspends = suspends or SuspendDetector()
        self._suspend_count = 0

    async def send(self, request: Request, sink: Sink) -> None:
        place = origin(request.url)
        raw = self._raw(request)
        connection = self._pool.take(place)
        try:
            if connection is not None:
                try:
                    return await self._exchange(connection, place, raw, sink, request.url)
                except DroppedError as dropped:
                    # It had ended while nobody used it. Once, and only if nothing of an answer had come.
                    if dropped.begun or request.method != "GET":
                        raise
            connection = await self._connected(place, request.url)
            await self._exchange(connection, place, raw, sink, request.url)
        except DroppedError as dropped:
            raise _lost(dropped, request.url) from None
        except BadResponseError as flaw:
            raise Transient(
                f"{redacted(request.url)}: the answer is not valid HTTP ({flaw})", kind="protocol", tries=3
            ) from None
        except TimeoutError:
            raise Transient(f"{redacted(request.url)}: no data in time", kind="timeout") from None

    async def _connected(self, place: Origin, url: str) -> Connection:
        try:
            return await self._pool.connect(place)
        except OSError as error:
            raise _unreached(error, url) from None
        except UnicodeError:
            raise TransferError(f"{redacted(url)}: not a host name", kind="bad-href") from None

    async def _exchange(
        self, connection: Connection, place: Origin, raw: bytes, sink: Sink, url: str
    ) -> None:
        self._active.add(connection)
        if self._watch is None:
            self._suspend_count = self._suspends.count()
            self._look_again()
        try:
            await connection.exchange(raw, sink, url)
        finally:
            self._active.discard(connection)
        self._pool.give_back(place, connection)

    def _raw(self, request: Request) -> bytes:
        """The request as it goes over the wire, byte for byte. Refuses what would end a line early."""
        host, _, path = request.url.partition("://")[2].partition("/")
        lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
        body = request.body or b""
        if request.body is not None:
            lines += f"Content-Length: {len(body)}\r\n"
        head = f"{request.method} /{path} HTTP/1.1\r\nHost: {host}\r\n{self._common}{lines}\r\n"
        ends = 4 + len(request.headers) + (request.body is not None)
        if head.count("\n") != ends or head.count("\r") != ends or "\0" in head or " " in host + path:
            raise TransferError(f"{redacted(request.url)}: a request field has a line break", kind="bad-href")
        return head.encode() + body

    def _look_again(self) -> None:
        self._watch = self._loop.call_later(self._tick, self._look)

    def _look(self) -> None:
        """One timer for all connections: end what is silent for too long, show what comes slowly."""
        now = self._loop.time()
        count = self._suspends.count()
        suspended, self._suspend_count = count != self._suspend_count, count
        for connection in list(self._active):
            if suspended:
                connection.heard = now
            elif now - connection.heard > self._patience and not connection.busy:
                connection.fail(TimeoutError())
            else:
                connection.flush()
        self._pool.tidy()
        if self._active or self._pool.kept:
            self._look_again()
        else:
            self._watch = None

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for connection in self._active:
            connection.abort()
        self._pool.close()
        await asyncio.sleep(0)  # the loop closes what was aborted in its next turn


def _lost(dropped: DroppedError, url: str) -> Transient:
    name = errno_reason(getattr(dropped.cause, "errno", None))
    if dropped.headed:
        return Transient(f"{redacted(url)}: the body ended early ({name})", kind="truncated")
    return Transient(f"{redacted(url)}: connection lost ({name})", kind="connection")


def _unreached(error: OSError, url: str) -> TransferError:
    """Our error for a connection that was not made. The message is ours alone."""
    where = redacted(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransferError(f"{where}: certificate refused ({error.verify_message})", kind="tls")
    if isinstance(error, ssl.SSLError):
        return Transient(f"{where}: TLS failed", kind="tls", tries=3)
    if isinstance(error, TimeoutError) and error.errno is None:
        return Transient(f"{where}: no connection in time", kind="timeout")
    if isinstance(error, socket.gaierror):
        return resolution_error(error.errno, where)
    if (short := local_shortage(error.errno, where)) is not None:
        return short
    return Transient(f"{where}: no connection ({errno_reason(error.errno)})", kind="unreachable")
