"""A TCP relay in front of a server that does something wrong with one answer, or with every one."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from support.connections import LoopbackServer

PIECE_BYTES = 64 << 10
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time at all: the connection ends by RST."""


class FaultyRelay(LoopbackServer):
    """`async with FaultyRelay(port) as relay`: what comes to `relay.port` goes to `port`, and back.

    Bytes of an answer are counted from its head on, anew after each request on a connection.
    """

    def __init__(self, to_port: int) -> None:
        super().__init__()
        self.received = 0
        """bytes that clients got"""
        self._to_port = to_port
        self._cuts: list[int] = []
        self._reset = False
        self._at_cut: Callable[[], Awaitable[object]] | None = None
        self._flip_at, self._flips_left = 0, 0.0

    def cut(
        self, *after: int, reset: bool = False, then: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """End the next answer that has so many bytes there, the one after that by the next number, and so on.

        `then` is awaited at the first cut, before the client learns of it.
        """
        self._cuts, self._reset, self._at_cut = list(after), reset, then

    def flip(self, at: int, times: float) -> None:
        """Turn one bit of this byte of the answers; so many times."""
        self._flip_at, self._flips_left = at, times

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to_port)
        answer = _Answer()
        requests = asyncio.create_task(self._pass_requests(reader, to_server, answer))
        try:
            await self._pass_answers(from_server, writer, answer)
        finally:
            requests.cancel()
            to_server.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, answer: _Answer
    ) -> None:
        while data := await reader.read(PIECE_BYTES):
            answer.passed = 0
            to_server.write(data)
            await to_server.drain()
        to_server.close()

    async def _pass_answers(
        self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: _Answer
    ) -> None:
        while data := await from_server.read(PIECE_BYTES):
            data = self._flipped(data, answer.passed)
            if self._cuts and answer.passed + len(data) > self._cuts[0]:
                data = data[: max(self._cuts.pop(0) - answer.passed, 0)]
                await self._send(writer, data)
                return await self._end(writer)
            answer.passed += len(data)
            await self._send(writer, data)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.received += len(data)
        writer.write(data)
        await writer.drain()

    def _flipped(self, data: bytes, passed: int) -> bytes:
        at = self._flip_at - passed
        if self._flips_left < 1 or not 0 <= at < len(data):
            return data
        self._flips_left -= 1
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        if self._at_cut is not None:
            then, self._at_cut = self._at_cut, None
            await then()
        if self._reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


class _Answer:
    """How many bytes of the present answer of a connection were passed on."""

    passed = 0
