"""A scripted HTTP server on real sockets: content per URL, and a list of faults that come first.

    site = troubled.site()
    site.put("/a.tif", body, etag='"1"', faults=[Cut(after=1000), Status(503, retry_after=1)])

The faults are used up one per request, then the URL behaves; faults in `always` never end.
`site.requests[path]` holds what was asked, `site.answered` hears of every answer. Everything also works
from another thread (`Background`).
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

from support.connections import Connections
from support.faults import *  # noqa: F403
from support.faults import redirect
from support.wire_format import *  # noqa: F403
from support.wire_format import (
    Answer,
    Ask,
    Fault,
    Plans,
    Reply,
    Seen,
    Thing,
    content,
    date,
    end,
    read_request,
    send,
    several,
)


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that repeat in no place and on every run."""
    return random.Random(seed).randbytes(size)


def tif(size: int, seed: int = 0) -> bytes:
    """A TIFF of one row of noise, of exactly this size; one that is too short for that is cut off."""
    tags = [(256, 0), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 0)]
    begin = 8 + 2 + 12 * len(tags) + 4
    values = {256: max(size - begin, 0), 273: begin, 279: max(size - begin, 0)}
    entries = (struct.pack("<HHII", tag, 4, 1, values.get(tag, value)) for tag, value in tags)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    return (head + noise(max(size - begin, 0), seed))[:size]


class Site:
    """One origin. `name` is the host its URLs speak of; it listens from the moment it is made."""

    def __init__(self, name: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.things: dict[str, Thing] = {}
        self.routes: dict[str, Answer] = {}
        self.requests: dict[str, list[Seen]] = defaultdict(list)
        self.log: list[Seen] = []
        self.always: tuple[Fault, ...] = ()
        self.answered: Callable[[Seen, Reply], None] = lambda seen, reply: None
        self.in_flight = self.peak = self.connections = 0
        self._tls = tls
        self._connections = Connections()
        self._server: asyncio.Server | None = None
        self._socket = socket.create_server(("127.0.0.1" if name == "localhost" else name, 0), backlog=512)
        self.port = self._socket.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://{name}:{self.port}"

    def url(self, path: str = "/") -> str:
        return self.origin + path

    def put(
        self,
        path: str,
        body: bytes = b"",
        *,
        faults: Plans = (),
        always: Iterable[Fault] = (),
        **about: Any,
    ) -> str:
        """Put content under a path; `about` is any other field of Thing. Gives its URL."""
        self.things[path] = Thing(body, faults=deque(faults), always=tuple(always), **about)
        return self.url(path)

    def json(self, path: str, document: Any, **about: Any) -> str:
        about.setdefault("content_type", "application/json")
        return self.put(path, json.dumps(document).encode(), **about)

    def redirect(self, path: str, location: str, code: int = 302, **about: Any) -> str:
        return self.put(path, always=[redirect(location, code)], **about)

    def route(self, path: str, answer: Answer, faults: Plans = ()) -> str:
        """Let a function answer; `faults` come first as with `put`."""
        self.routes[path] = answer
        return self.put(path, faults=faults)

    def count(self, path: str) -> int:
        return len(self.requests[path])

    async def begin(self) -> None:
        self._server = await asyncio.start_server(self._connected, sock=self._socket, ssl=self._tls)

    async def stop(self) -> None:
        """Ends listener and connections; returns when no task of the site is left."""
        if self._server is None:
            self._socket.close()
            return
        await self._connections.close(self._server)

    async def start_again(self) -> None:
        """Listens at the same port, after `stop`."""
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=512)
        await self.begin()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        async with self._connections.serving(writer):
            while await self._one(reader, writer):
                pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; true if the connection may carry another."""
        seen = await read_request(reader, writer.get_extra_info("peername")[1])
        self.log.append(seen)
        self.requests[seen.path].append(seen)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            reply = self.answer(seen)
            self.answered(seen, reply)
            await send(reply, seen.method == "HEAD", writer)
            return await end(reply, seen, reader, writer)
        finally:
            self.in_flight -= 1

    def answer(self, seen: Seen) -> Reply:
        thing = self.things.get(seen.target) or self.things.get(seen.path) or Thing(b"not here", status=404)
        faults = several(thing.faults.popleft()) if thing.faults else ()
        faults = (*self.always, *thing.always, *faults)
        ask = Ask(dict(seen.headers), thing)
        for fault in faults:
            fault.asked(ask)
        answer = self.routes.get(seen.target) or self.routes.get(seen.path)
        reply = answer(seen) if answer else content(ask)
        for fault in faults:
            fault.answered(reply)
        reply.set("Date", date(time.time())) if "Date" not in dict(reply.headers) else None
        return reply


class Troubled:
    """Sites in the running loop: `async with Troubled() as troubled: site = await troubled.site()`."""

    def __init__(self) -> None:
        self.sites: list[Site] = []

    async def site(self, name: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Site:
        site = Site(name, tls)
        self.sites.append(site)
        await site.begin()
        return site

    async def __aenter__(self) -> Troubled:
        return self

    async def __aexit__(self, *_: object) -> None:
        for site in self.sites:
            await site.stop()


class Background:
    """Sites in a thread with its own loop, for clients that are other processes: `with Background() as …`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="troubled")
        self._troubled = Troubled()

    def site(self, name: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Site:
        return asyncio.run_coroutine_threadsafe(self._troubled.site(name, tls), self._loop).result(60)

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._troubled.__aexit__(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()
