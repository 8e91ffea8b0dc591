"""A real HTTP proxy on loopback: forwards plain requests, tunnels CONNECT, records what it was told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from support.connections import LoopbackServer
from support.wire_format import Seen, read_request


class Gateway(LoopbackServer):
    """`async with Gateway() as proxy`: every name leads to this machine, whatever it is.

    `wants` is the Proxy-Authorization without which it answers 407; `answers` a status it answers always.
    """

    def __init__(self, wants: str | None = None, answers: int | None = None) -> None:
        super().__init__()
        self.wants, self.answers = wants, answers
        self.log: list[Seen] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = await read_request(reader, 0)
        self.log.append(seen)
        status = self.answers
        if self.wants and seen.headers.get("proxy-authorization") != self.wants:
            status = 407
        if status:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        tunnel = seen.method == "CONNECT"
        target = urlsplit(f"//{seen.target}" if tunnel else seen.target)
        there, out = await asyncio.open_connection("127.0.0.1", target.port)
        if tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            out.write(_forwarded(seen, target.path + (f"?{target.query}" if target.query else "")))
        try:
            await asyncio.gather(_copy(reader, out), _copy(there, writer))
        finally:
            out.close()


def _forwarded(seen: Seen, path: str) -> bytes:
    """As a proxy must: its own fields stay here."""
    kept = {name: value for name, value in seen.headers.items() if name != "proxy-authorization"}
    lines = [
        f"{seen.method} {path} HTTP/1.1",
        *(f"{n}: {v}" for n, v in (kept | {"connection": "close"}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + seen.body


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
