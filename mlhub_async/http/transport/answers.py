"""What aiohttp forgets about an answer or lets through, so that both transports take the same for one."""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from .fast.head import BODILESS, MAX_LENGTH_DIGITS


class DroppedError(aiohttp.ClientConnectionError):
    """No head came. Not one of the errors at which aiohttp asks again, even over a new connection."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("connection lost")
        self.errno = getattr(cause, "errno", None)


class Response(aiohttp.ClientResponse):
    """Keeps what aiohttp forgets as soon as the body is whole: the connection that carried it."""

    protocol: ResponseHandler

    async def start(self, connection: Connection) -> Self:
        assert connection.protocol is not None
        self.protocol = connection.protocol
        if len(self.protocol):
            # What came while nobody asked: aiohttp would take it for the answer.
            raise aiohttp.ServerDisconnectedError
        try:
            await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise DroppedError(error) from None
        return self


class Endings:
    """Connections that end in the middle of a body that aiohttp could not parse: it tells nobody.

    One callback for each connection, however many bodies it carries.
    """

    def __init__(self) -> None:
        self._bodies: dict[asyncio.Future[None], tuple[ResponseHandler, aiohttp.StreamReader]] = {}

    def watch(self, protocol: ResponseHandler, body: aiohttp.StreamReader) -> None:
        if (closed := protocol.closed) is not None:
            if closed not in self._bodies:
                closed.add_done_callback(self._ended)
            self._bodies[closed] = protocol, body

    def _ended(self, closed: asyncio.Future[None]) -> None:
        closed.exception()  # known to whoever waits for the body
        protocol, body = self._bodies.pop(closed)
        if not body.is_eof() and body.exception() is None:
            body.set_exception(protocol.exception() or aiohttp.ClientPayloadError())


def doubt(response: aiohttp.ClientResponse) -> str:
    """What two readers could read in two ways, of what aiohttp lets through; "" if there is nothing."""
    if response.status < 200:
        return f"status {response.status} out of place"
    codings = response.headers.getall("Transfer-Encoding", [])
    if response.status in BODILESS:
        return ""
    if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
        return "its transfer coding leaves the length in doubt"
    if len(response.headers.get("Content-Length", "")) > MAX_LENGTH_DIGITS:
        return "its Content-Length is no length"
    return ""


def ends_with_connection(response: aiohttp.ClientResponse) -> bool:
    framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return not framed and response.status not in BODILESS
