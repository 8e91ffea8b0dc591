"""One connection: the exchange that is under way on it, and when it reads.

Body bytes go from the receive buffer to the sink. Between "body complete" and the next request there is one
callback of the loop, no task, no queue, no stream object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

from ....core.model import Head
from ....core.ports import Sink
from ...status import FIRST_FINAL, SWITCHING_PROTOCOLS
from .buffers import BUFFER_SIZE, BufferPool, ReceiveBuffer
from .head import (
    END_OF_HEAD,
    MAX_HEAD,
    BadResponseError,
    DroppedError,
    Framing,
    ResponseParser,
    refuse_endless,
)

MAX_INTERIM = 16
"""Responses of 1xx before the real one."""


class Connection(asyncio.BufferedProtocol):
    """See `asyncio.BufferedProtocol`. One exchange at a time; `usable` says whether another may follow."""

    def __init__(self, loop: asyncio.AbstractEventLoop, buffers: BufferPool) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._inlet = ReceiveBuffer(buffers)
        self._sink: Sink | None = None
        self._url = ""
        self._answer: ResponseParser | None = None
        self._interim = 0
        self._turn: asyncio.Future[Awaitable[None] | None] | None = None
        self.busy = False
        """whether it is our own disk that the server waits for"""
        self._paused = False
        self._ended = False
        self._failure: Exception | None = None
        self._cause: Exception | None = None
        self.usable = False
        self.made = loop.time()
        self.heard = self.made
        """when bytes last went either way (loop time)"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are, but do not inherit from it
        self.usable = True

    async def exchange(self, request: bytes, sink: Sink, url: str) -> None:
        """Send a request and push its answer into `sink`, to the end. Whatever fails ends the connection."""
        assert self._transport is not None
        self._sink, self._url, self._answer, self._interim = sink, url, None, 0
        self._turn = self._loop.create_future()
        self.heard = self._loop.time()
        self.usable = False
        try:
            self._transport.write(request)
            while (busy := await self._turn) is not None:
                await busy
                self._turn = self._loop.create_future()
                self._go_on()
        except asyncio.CancelledError as stop:
            self.abort()
            try:
                self._hand_over(sink)
            finally:
                raise stop  # whatever the sink makes of it
        except BaseException:
            self.abort()
            raise
        finally:
            self._sink = self._turn = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inlet.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._inlet.filled += nbytes
        self._advance(False)
        if self._answer is not None:  # of a head that comes byte by byte nothing is heard until it is whole
            self.heard = self._loop.time()

    def _advance(self, flush: bool) -> None:
        """Take what the buffer holds as far as it goes; `flush`: also a piece of a body that is not full."""
        if self._turn is None or self._turn.done():
            if self.busy:
                self._regulate()
            else:
                self.abort()  # bytes that nobody asked for
            return
        try:
            if self._answer is None and not self._begin():
                return
            self._take(flush)
        except BaseException as error:  # raised where the exchange is awaited
            self._inlet.lend(False)  # a sink that has had enough may still work on what it took
            self._end(error)
            self.abort()

    def _begin(self) -> bool:
        """Read the head if it is there. True once the body may follow."""
        inlet = self._inlet
        while self._answer is None:
            end = inlet.data.find(END_OF_HEAD, inlet.taken, inlet.filled) + len(END_OF_HEAD)
            if end < len(END_OF_HEAD) or end - inlet.taken > MAX_HEAD:
                refuse_endless(inlet.data, inlet.taken, inlet.filled)
                return False
            answer = ResponseParser(inlet.view[inlet.taken : end])
            inlet.taken = end
            if answer.status >= FIRST_FINAL:
                self._answer = answer
                self._start(answer)
            else:
                self._interim += 1
                if answer.status == SWITCHING_PROTOCOLS or self._interim > MAX_INTERIM:
                    raise BadResponseError(f"status {answer.status} out of place")
        return True

    def _start(self, answer: ResponseParser) -> None:
        assert self._sink is not None
        self._sink.start(Head(answer.status, answer.fields, self._url))
        if answer.left > BUFFER_SIZE:
            self._inlet.enlarge()

    def _take(self, flush: bool) -> None:
        answer = self._answer
        assert answer is not None
        if answer.framing is Framing.LENGTH:
            self._take_counted(answer, flush)
        elif answer.framing is Framing.CHUNKED:
            piece = answer.take_chunks(self._inlet.rest())
            self._push(piece, answer.complete)
        elif answer.framing is Framing.CLOSE:
            self._push(self._inlet.rest(), False)
        else:
            self._finish(answer)

    def _take_counted(self, answer: ResponseParser, flush: bool) -> None:
        """Bytes are collected until the buffer is full or the body whole: a small body is one piece."""
        inlet = self._inlet
        count = inlet.filled - inlet.taken
        if count > answer.left:
            raise BadResponseError("more bytes than its Content-Length")
        if count == answer.left or inlet.full or (flush and count):
            answer.left -= count
            self._push(inlet.rest(), not answer.left)

    def _push(self, data: memoryview | bytes, last: bool) -> None:
        assert self._sink is not None and self._turn is not None and self._answer is not None
        busy = self._sink.write(data) if len(data) else None
        if last:
            self._answer.framing = Framing.NONE
        if busy is not None:
            self.busy = True
            if isinstance(data, memoryview):
                self._inlet.lend(not last)
            self._regulate()
            self._turn.set_result(busy)
        elif last:
            self._finish(self._answer)

    def _regulate(self) -> None:
        """Read while there is room: beside what the sink works on there may be another buffer."""
        pause = self.busy and self._inlet.full
        if pause is not self._paused and self._transport is not None and not self._ended:
            self._paused = pause
            (self._transport.pause_reading if pause else self._transport.resume_reading)()

    def _go_on(self) -> None:
        """The sink has taken what it had: read on, or end what ended meanwhile."""
        self.busy = False
        self._inlet.returned()
        self.heard = self._loop.time()
        if self._answer is not None and self._answer.framing is Framing.NONE:
            self._finish(self._answer)
        elif self._inlet.filled > self._inlet.taken:
            self._advance(False)
        if self._ended and not self.busy:
            self._conclude()
        else:
            self._regulate()

    def _finish(self, answer: ResponseParser) -> None:
        if self._inlet.taken < self._inlet.filled:
            raise BadResponseError("bytes after the end of the body")
        self._inlet.shrink()
        self.usable = answer.keeps and not self._ended
        if not self.usable:
            self.abort()
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if self._turn is not None and not self._turn.done():
            if error is None:
                self._turn.set_result(None)
            else:
                self._turn.set_exception(error)

    def flush(self) -> None:
        """Hand on what has come so far: whoever watches the speed of a slow body wants to see it."""
        inlet = self._inlet
        if inlet.filled > inlet.taken and self._answer is not None and not self.busy:
            self._advance(True)

    def _hand_over(self, sink: Sink) -> None:
        """What came before a run was interrupted is where the next one begins. Nobody waits for it now."""
        if self._answer is not None and self._answer.framing is Framing.LENGTH:
            sink.write(bytes(self._inlet.rest()[: self._answer.left]))

    def fail(self, error: Exception) -> None:
        """End the exchange with this error."""
        self._failure = error
        self.flush()
        self._end(error)
        self.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._cause = exc
        self.usable = False
        self._transport = None
        if not self.busy:
            self._conclude()

    def _conclude(self) -> None:
        """The connection is gone: what has come of the answer is all that will come."""
        self.flush()
        if self.busy:
            return
        answer, begun = self._answer, self._interim > 0 or self._inlet.filled > 0
        if self._failure is not None:
            self._end(self._failure)
        elif answer is not None and answer.framing is Framing.CLOSE and self._cause is None:
            self._end(None)
        else:
            headed = answer is not None
            self._end(DroppedError(begun or headed, headed, self._cause))

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        self.usable = False
        self._ended = True
        self._inlet.drop()
        if self._transport is not None:
            self._transport.abort()
