"""Servers that mind how many ask them at once: far away, or refusing, or slower for more.

python benchmarks/uneven.py far      prints its URL, serves one small body under every path until stdin ends
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

BODY = b"The same sixteen kibibytes under every name.".ljust(16 << 10, b".")
DELAY = 0.05
SERVICE = 0.02
KNEE = 16
LIMIT = 4
HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nETag: "1"\r\n\r\n'
ANSWER = HEAD.format(len(BODY)).encode() + BODY
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


def far(_: int) -> float:
    """Every answer takes its way, however many there are."""
    return DELAY


def four(under_way: int) -> float | None:
    """So many at a time; who comes beyond that is refused at once, without a hint when to come back."""
    return SERVICE if under_way < LIMIT else None


def knee(under_way: int) -> float:
    """Beyond the knee two more requests cost more than they bring: service grows with their square."""
    return SERVICE * float(max(1.0, (under_way + 1) / KNEE) ** 2)


KINDS: dict[str, Callable[[int], float | None]] = {"far": far, "four": four, "knee": knee}


@dataclass(slots=True)
class Service:
    """How long an answer takes that finds so many others under way; None: it is refused."""

    takes: Callable[[int], float | None]
    under_way: int = 0


class Connection(asyncio.Protocol):
    """One client's connection, kept open; a request is answered after its time."""

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
            self._timers.append(asyncio.get_running_loop().call_later(takes, self._answer))

    def _answer(self) -> None:
        assert self._transport is not None
        self._timers.pop(0)
        self._service.under_way -= 1
        self._transport.write(ANSWER)

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
