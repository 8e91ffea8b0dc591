"""How the scripted server speaks: a request parsed, the faultless answer, an answer put on the wire."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = None


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are lower-case; repeated ones are joined by a comma."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    time: float
    port: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass
class Thing:
    """What lies under one path, and which faults are still to come for it."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/octet-stream"
    etag: str | None = None
    last_modified: float | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    faults: deque[Plan] = field(default_factory=deque)
    always: tuple[Fault, ...] = ()


@dataclass
class Ask:
    """A question on its way to the answer: a fault may take headers from it or swap the thing."""

    headers: dict[str, str]
    thing: Thing


@dataclass
class Reply:
    """One answer before it is put on the wire. `cut` counts bytes behind the head, as sent.

    `sent`: the pieces of the body that went out so far, by their sizes. `stalled`: all that will come is
    with the system.
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    framing: str = "length"
    length: int | None = None
    chunk: int = 4096
    before: bytes = b""
    raw: bytes | None = None
    delay: float = 0.0
    when: Callable[[], bool] = lambda: True
    pause_at: int | None = None
    resume: Callable[[], bool] = lambda: True
    cut: int | None = None
    pause: float = 0.0
    piece: int = 65536
    endless: bool = False
    ending: str = "keep"
    sent: list[int] = field(default_factory=list)
    stalled: bool = False

    def set(self, name: str, value: str) -> None:
        self.drop(name)
        self.headers.append((name, value))

    def drop(self, name: str) -> None:
        self.headers = [(k, v) for k, v in self.headers if k.lower() != name.lower()]

    def head(self) -> bytes:
        reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Odd"
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{k}: {v}" for k, v in self.framed())]
        return self.before + "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")

    def framed(self) -> list[tuple[str, str]]:
        """The headers with those that the framing asks for."""
        own = {
            "length": [("Content-Length", str(len(self.body) if self.length is None else self.length))],
            "chunked": [("Transfer-Encoding", "chunked")],
            "close": [("Connection", "close")],
            "none": [],
        }[self.framing if self.status not in (204, 304) else "none"]
        return self.headers + own

    def payload(self) -> bytes:
        """The body as it goes over the wire, cut where the fault wants it."""
        data = self.body
        if self.framing == "chunked":
            parts = [data[i : i + self.chunk] for i in range(0, len(data), self.chunk)]
            data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts)
            data += b"" if self.endless else b"0\r\n\r\n"
        return data if self.cut is None else data[: self.cut]


class Fault:
    """Bends the question (`asked`) or the answer (`answered`). Faults are plain values."""

    def asked(self, ask: Ask) -> None:
        """Called before the answer is worked out."""

    def answered(self, reply: Reply) -> None:
        """Called before the answer is sent."""


Plan = Fault | tuple[Fault, ...] | None
"""What happens to one request: one fault, several together, or None: it behaves"""


def several(plan: Plan) -> tuple[Fault, ...]:
    if plan is None:
        return ()
    return plan if isinstance(plan, tuple) else (plan,)


def date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


Answer = Callable[[Seen], Reply]
Plans = Iterable[Plan]


async def read_request(reader: asyncio.StreamReader, port: int) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head[:-4].split("\r\n")
    method, _, rest = line.partition(" ")
    headers: dict[str, str] = {}
    for name, _, value in (f.partition(":") for f in fields):
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, rest.rpartition(" ")[0], headers, body, time.monotonic(), port)


def content(ask: Ask) -> Reply:
    """What a faultless server answers: conditions first, then the range."""
    thing, ask_for = ask.thing, ask.headers
    reply = Reply(thing.status, [("Content-Type", thing.content_type), *thing.headers], thing.body)
    if thing.etag is not None:
        reply.set("ETag", thing.etag)
    if thing.last_modified is not None:
        reply.set("Last-Modified", date(thing.last_modified))
    if thing.status != 200:
        return reply
    reply.set("Accept-Ranges", "bytes")
    if "if-match" in ask_for and ask_for["if-match"] not in ("*", thing.etag):
        reply.status, reply.body = 412, b""
    elif thing.etag is not None and ask_for.get("if-none-match") == thing.etag:
        reply.status, reply.body = 304, b""
    elif (match := re.fullmatch(r"bytes=(\d*)-(\d*)", ask_for.get("range", ""))) and unchanged(ask):
        cut_range(reply, match[1], match[2])
    return reply


def unchanged(ask: Ask) -> bool:
    """Whether If-Range holds: only a strong ETag or the exact date does."""
    condition = ask.headers.get("if-range")
    if condition is None:
        return True
    etag, modified = ask.thing.etag, ask.thing.last_modified
    strong = etag is not None and not etag.startswith("W/") and condition == etag
    return strong or (modified is not None and condition == date(modified))


def cut_range(reply: Reply, first: str, last: str) -> None:
    total = len(reply.body)
    start = int(first) if first else max(0, total - int(last or 0))
    stop = min(total, int(last) + 1) if first and last else total
    if start >= stop:
        reply.status, reply.body = 416, b""
        reply.set("Content-Range", f"bytes */{total}")
        return
    reply.status, reply.body = 206, reply.body[start:stop]
    reply.set("Content-Range", f"bytes {start}-{stop - 1}/{total}")


async def until(true: Callable[[], bool], seconds: float | None = 60) -> None:
    """Wait for something that nothing tells of."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  (the condition is the caller's: no event to wait for)
            await asyncio.sleep(0.002)


async def send(reply: Reply, head_only: bool, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(reply.delay)
    await until(reply.when, None)
    if reply.raw is not None:
        writer.write(reply.raw)
        return await writer.drain()
    writer.write(reply.head())
    await writer.drain()
    data = b"" if head_only or reply.status in (204, 304) else reply.payload()
    while data:
        for at in range(0, len(data), reply.piece):
            await asyncio.sleep(reply.pause)
            if reply.pause_at is not None and sum(reply.sent) >= reply.pause_at:
                await until(reply.resume, None)
            writer.write(data[at : at + reply.piece])
            reply.sent.append(len(data[at : at + reply.piece]))
            await writer.drain()
        data = chunk_of(reply) if reply.endless else b""


def chunk_of(reply: Reply) -> bytes:
    """The body once more, without the last chunk that would end it."""
    return b"%x\r\n%s\r\n" % (len(reply.body), reply.body) if reply.framing == "chunked" else reply.body


async def end(reply: Reply, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Bring the connection to the end that the reply asks for; true if it goes on."""
    if reply.ending == "hang":
        await until(lambda: not writer.transport.get_write_buffer_size(), None)
        reply.stalled = True
        await reader.read()
    elif reply.ending == "drop":
        await delivered(writer.get_extra_info("socket"))
        writer.transport.abort()
    elif reply.ending == "rst":
        await delivered(writer.get_extra_info("socket"))
        linger = struct.pack("HH" if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else "ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    return reply.ending == "keep" and seen.headers.get("connection", "").lower() != "close"


async def delivered(connection: socket.socket) -> None:
    """Wait until the peer has what was sent: a reset throws away what the kernel still holds."""
    if fcntl is None:
        await asyncio.sleep(0.1)
        return
    for _ in range(500):
        if connection.fileno() == -1:  # the client left first
            return
        held = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        if held == bytes(4):
            break
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.005)
