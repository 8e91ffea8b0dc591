"""One connection: a receive buffer that is used again and again, and the exchange that is under way on it.

Body bytes go from that buffer to the sink. Between "body complete" and the next request there is one
callback of the loop, no task, no queue, no stream object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

from ...model import Head
from ...ports import Sink
from .head import MAX_HEAD, Answer, BadAnswerError, Framing

BUFFER = 256 << 10
"""Bytes one read can take: as much as uvloop reads at a time."""
LARGE_BUFFER = 1 << 20
"""The same for a body that is larger than that: fewer turns of the disk's thread."""
END_OF_HEAD = b"\r\n\r\n"
MAX_INTERIM = 16
"""Responses of 1xx before the real one."""


class DroppedError(Exception):
    """The connection ended before the answer did.

    `begun`: something of the answer had come; `headed`: its whole head, so that it is the body that is cut.
    """

    def __init__(self, begun: bool, headed: bool, cause: Exception | None) -> None:
        super().__init__("connection lost")
        self.begun = begun
        self.headed = headed
        self.cause = cause


class Connection(asyncio.BufferedProtocol):
    """See `asyncio.BufferedProtocol`. One exchange at a time; `usable` says whether another may follow."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._renew(BUFFER)
        self._sink: Sink | None = None
        self._url = ""
        self._answer: Answer | None = None
        self._interim = 0
        self._turn: asyncio.Future[Awaitable[None] | None] | None = None
        self._busy = False
        self._lent = False
        self._ended = False
        self._cause: Exception | None = None
        self.usable = False
        self.made = loop.time()
        self.heard = self.made
        """when bytes last went either way (loop time)"""

    def _renew(self, size: int) -> None:
        """A new buffer: bytes from `_taken` to `_filled` have come and are nobody's yet."""
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._taken = self._filled = 0

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
        except BaseException:
            self.abort()
            raise
        finally:
            self._sink = self._turn = None

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._lent:
            # A read that was on its way when we paused: the bytes that the sink works on stay as they are.
            self._lent = False
            self._renew(len(self._buffer))
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        self._advance(False)
        if self._answer is not None:  # of a head that comes byte by byte nothing is heard until it is whole
            self.heard = self._loop.time()

    def _advance(self, flush: bool) -> None:
        """Take what the buffer holds as far as it goes; `flush`: also a piece of a body that is not full."""
        if self._turn is None or self._turn.done():
            if self._sink is None:
                self.abort()  # bytes that nobody asked for
            return
        try:
            if self._answer is None and not self._begin():
                return
            self._take(flush)
        except BaseException as error:  # raised where the exchange is awaited
            self._end(error)

    def _begin(self) -> bool:
        """Read the head if it is there. True once the body may follow."""
        while self._answer is None:
            end = self._buffer.find(END_OF_HEAD, self._taken, self._filled) + len(END_OF_HEAD)
            if end < len(END_OF_HEAD) or end - self._taken > MAX_HEAD:
                self._refuse_endless()
                return False
            answer = Answer(self._view[self._taken : end])
            self._taken = end
            if answer.status >= 200:
                self._answer = answer
                self._start(answer)
            else:
                self._interim += 1
                if answer.status == 101 or self._interim > MAX_INTERIM:
                    raise BadAnswerError(f"status {answer.status} out of place")
        return True

    def _refuse_endless(self) -> None:
        count = self._filled - self._taken
        if count >= MAX_HEAD:
            raise BadAnswerError(f"a head of more than {MAX_HEAD} bytes")
        if not self._buffer.startswith(b"HTTP/"[:count], self._taken):
            raise BadAnswerError("it does not begin as HTTP does")
        if self._buffer.find(b"\n\n", self._taken, self._filled) >= 0:
            raise BadAnswerError("its lines do not end as HTTP's do")

    def _start(self, answer: Answer) -> None:
        assert self._sink is not None
        self._sink.start(Head(answer.status, answer.fields, self._url))
        if answer.left > len(self._buffer) and len(self._buffer) < LARGE_BUFFER:
            rest = self._view[self._taken : self._filled]
            self._renew(LARGE_BUFFER)
            self._filled = len(rest)
            self._view[: self._filled] = rest

    def _take(self, flush: bool) -> None:
        answer = self._answer
        assert answer is not None
        if answer.framing is Framing.LENGTH:
            self._take_counted(answer, flush)
        elif answer.framing is Framing.CHUNKED:
            piece = answer.take_chunks(self._rest())
            self._push(piece, answer.complete)
        elif answer.framing is Framing.CLOSE:
            self._push(self._rest(), False)
        else:
            self._finish(answer)

    def _rest(self) -> memoryview:
        """All that has come, taken."""
        data = self._view[self._taken : self._filled]
        self._taken = self._filled = 0
        return data

    def _take_counted(self, answer: Answer, flush: bool) -> None:
        """Bytes are collected until the buffer is full or the body whole: a small body is one piece."""
        count = self._filled - self._taken
        if count > answer.left:
            raise BadAnswerError("more bytes than its Content-Length")
        if count == answer.left or self._filled == len(self._buffer) or (flush and count):
            answer.left -= count
            self._push(self._rest(), not answer.left)

    def _push(self, data: memoryview | bytes, last: bool) -> None:
        assert self._sink is not None and self._turn is not None and self._answer is not None
        busy = self._sink.write(data) if len(data) else None
        if last:
            self._answer.framing = Framing.NONE
        if busy is not None:
            self._busy = self._lent = True
            if self._transport is not None and not self._ended:
                self._transport.pause_reading()
            self._turn.set_result(busy)
        elif last:
            self._finish(self._answer)

    @property
    def busy(self) -> bool:
        """Whether it is our own disk that the server waits for."""
        return self._busy

    def _go_on(self) -> None:
        """The sink has taken what it had: read on, or end what ended meanwhile."""
        self._busy = self._lent = False
        self.heard = self._loop.time()
        if self._answer is not None and self._answer.framing is Framing.NONE:
            self._finish(self._answer)
        elif self._filled > self._taken:
            self._advance(False)
        if self._busy:
            return
        if self._ended:
            self._conclude()
        elif self._transport is not None:
            self._transport.resume_reading()

    def _finish(self, answer: Answer) -> None:
        if self._taken < self._filled:
            raise BadAnswerError("bytes after the end of the body")
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
        if self._filled > self._taken and self._answer is not None and not self._busy:
            self._advance(True)

    def fail(self, error: Exception) -> None:
        """End the exchange with this error."""
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
        if not self._busy:
            self._conclude()

    def _conclude(self) -> None:
        """The connection is gone: what has come of the answer is all that will come."""
        self.flush()
        if self._busy:
            return
        answer, begun = self._answer, self._interim > 0 or self._filled > 0
        if answer is not None and answer.framing is Framing.CLOSE and self._cause is None:
            self._end(None)
        else:
            headed = answer is not None
            self._end(DroppedError(begun or headed, headed, self._cause))

    def abort(self) -> None:
        """Close at once, without waiting for anything."""
        self.usable = False
        self._ended = True
        if self._transport is not None:
            self._transport.abort()
