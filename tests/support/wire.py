"""The two transports at their port: a server that says exactly these bytes, and a sink that records.

async with Wire(Says(b"HTTP/1.1 200 OK\\r\\n…")) as wire, connected("fast") as transport:
    heard = await asked(transport, wire.url())
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Head, Request
from mlhub_async.core.ports import Buffer, Transport
from mlhub_async.http.transport.aiohttp import AiohttpTransport
from mlhub_async.http.transport.fast.transport import FastTransport
from support.connections import Connections
from support.wire_format import Reply, Seen, end, read_request, until

try:
    import uvloop
except ImportError:  # Windows
    uvloop = None

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if uvloop is not None:
    LOOPS["uvloop"] = uvloop.new_event_loop
    uvloop.new_event_loop().close()  # opens a pipe for signals that the process keeps
BOTH = {"fast": FastTransport, "aiohttp": AiohttpTransport}
OK = b"HTTP/1.1 200 OK\r\n"
B = b"hello world"


@dataclass(frozen=True)
class Says:
    """One answer: these pieces, each sent by itself, then the ending: keep, fin, rst or hang."""

    pieces: Sequence[bytes]
    ending: str = "keep"
    pause: float = 0.0


def says(*pieces: bytes, ending: str = "keep", pause: float = 0.0) -> Says:
    return Says(pieces, ending, pause)


def counted(body: bytes, fields: bytes = b"") -> bytes:
    """A whole answer with a Content-Length."""
    return b"%s%sContent-Length: %d\r\n\r\n%s" % (OK, fields, len(body), body)


def chunked(*pieces: bytes) -> bytes:
    """A body in these chunks, to its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.port = writer.get_extra_info("peername")[1]

    async def ask(self) -> Seen:
        return await read_request(self.reader, self.port)

    async def say(self, answer: Says, seen: Seen) -> bool:
        """True if the connection may carry another answer."""
        for piece in answer.pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(answer.pause)
        return await end(Reply(ending=answer.ending), seen, self.reader, self.writer)


Script = Callable[[Peer, Seen], Awaitable[bool]]


class Wire:
    """A server whose answers are scripted one by one; the last one is for all that follow.

    `seen` are the requests, `open` the connections that the client has not left, `peak` their most.
    """

    def __init__(self, *answers: Says | Script, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None):
        self.answers = list(answers)
        self.seen: list[Seen] = []
        self.connections = self.open = 0
        self._host = host
        self._tls = tls
        self._connections = Connections()

    def url(self, path: str = "/one.tif", host: str = "") -> str:
        name = host or (f"[{self._host}]" if ":" in self._host else self._host)
        return f"{'https' if self._tls else 'http'}://{name}:{self.port}{path}"

    async def __aenter__(self) -> Wire:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.create_server((self._host, 0), family=family, backlog=128)
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._connected, sock=listening, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.close(self._server)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        async with self._connections.serving(writer):
            try:
                await self._serve(Peer(reader, writer))
            finally:
                self.open -= 1

    async def _serve(self, peer: Peer) -> None:
        more = True
        while more:
            seen = await peer.ask()
            self.seen.append(seen)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            more = await (peer.say(answer, seen) if isinstance(answer, Says) else answer(peer, seen))

    async def left(self) -> None:
        """Returns when no client is connected any more."""
        await until(lambda: not self.open)


@dataclass
class Heard:
    """A sink that keeps what it is told; `hold` gives the awaitable for each piece, or None."""

    head: Head | None = None
    pieces: list[bytes] = field(default_factory=list)
    hold: Callable[[Buffer], Awaitable[None] | None] = lambda data: None
    error: TransferError | None = None

    def start(self, head: Head) -> None:
        assert self.head is None, "a sink is started once"
        self.head = head

    def write(self, data: Buffer) -> Awaitable[None] | None:
        assert self.head is not None and len(data), "a piece is something, and comes after the head"
        self.pieces.append(bytes(data))
        return self.hold(data)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def kind(self) -> str:
        """How it ended: the kind of the error, or "whole"."""
        return self.error.kind if self.error is not None else "whole"

    @property
    def status(self) -> int:
        return self.head.status if self.head is not None else 0


async def asked(transport: Transport, url: str, heard: Heard | None = None, **request: Any) -> Heard:
    """Send one request; an expected failure is noted, whatever else goes wrong is raised."""
    heard = heard or Heard()
    try:
        await transport.send(Request(url, **request), heard)
    except TransferError as error:
        heard.error = error
    return heard


@asynccontextmanager
async def connected(name: str, **about: Any) -> AsyncIterator[Transport]:
    usual = {"user_agent": "test", "connect_timeout": 20.0, "idle_timeout": 20.0, "check": lambda *_: None}
    transport = BOTH[name](**{**usual, **about})
    try:
        yield transport
    finally:
        await transport.close()
