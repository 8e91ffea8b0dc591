"""Servers whose speed depends on concurrency: some far away, some that refuse, one that slows down.

    python benchmarks/limited_servers.py far      prints its URL, serves until stdin ends

Every path has the same small body.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

BODY = b"The same sixteen kibibytes under every name.".ljust(16 << 10, b".")
DELAY_SECONDS = 0.05
SERVICE_SECONDS = 0.02
KNEE_REQUESTS = 16
MAX_REQUESTS = 4
MANY_REQUESTS = 100
HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nETag: "1"\r\n\r\n'
RESPONSE = HEAD.format(len(BODY)).encode() + BODY
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


def far(_: int) -> float:
    """Every response is delayed, whatever the concurrency."""
    return DELAY_SECONDS


def four(under_way: int) -> float | None:
    """Four requests at a time; others are refused at once with 429, without Retry-After."""
    return SERVICE_SECONDS if under_way < MAX_REQUESTS else None


def knee(under_way: int) -> float:
    """Beyond the knee the time of a response grows with the square of the number of requests."""
    return SERVICE_SECONDS * float(max(1.0, (under_way + 1) / KNEE_REQUESTS) ** 2)


def hundred(under_way: int) -> float | None:
    """As far away, for a hundred requests at a time; others are refused at once with 429."""
    return DELAY_SECONDS if under_way < MANY_REQUESTS else None


KINDS: dict[str, Callable[[int], float | None]] = {"far": far, "four": four, "knee": knee, "hundred": hundred}


@dataclass(slots=True)
class Service:
    """`takes`: seconds of a response when so many others are under way; None: it is refused."""

    takes: Callable[[int], float | None]
    under_way: int = 0


class Connection(asyncio.Protocol):
    """One connection of a client, kept open; each request is answered after its time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pending = b""
        self._timers: list[asyncio.TimerHandle] = []
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for _ in heads:
            self._serve()

    def _serve(self) -> None:
        assert self._transport is not None
        takes = self._service.takes(self._service.under_way)
        if takes is None:
            self._transport.write(REFUSAL)
        else:
            self._service.under_way += 1
            self._timers.append(asyncio.get_running_loop().call_later(takes, self._respond))

    def _respond(self) -> None:
        assert self._transport is not None
        self._timers.pop(0)
        self._service.under_way -= 1
        self._transport.write(RESPONSE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.under_way -= len(self._timers)
        for timer in self._timers:
            timer.cancel()


async def main(kind: str) -> None:
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    service = Service(KINDS[kind])
    await loop.create_server(lambda: Connection(service), sock=listener)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
