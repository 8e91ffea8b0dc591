"""One HTTP/1.1 connection: sends a request, and pushes the body of the response to a sink.

It is a protocol of asyncio without tasks, queues or stream objects: between the end of a body and the next
request the event loop runs one callback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol, cast

from ....core.model import Head
from ...status import FIRST_FINAL, MISDIRECTED, SWITCHING_PROTOCOLS
from ..failures import SLOWEST_SENDING
from .buffers import BufferPool, ReceiveBuffer
from .chunks import ChunkedBody
from .head import (
    END_OF_HEAD,
    MAX_HEAD_BYTES,
    BadResponseError,
    DroppedError,
    Framing,
    ResponseParser,
    check_partial_head,
)

if TYPE_CHECKING:
    from ....core.ports import Sink


class Listener(Protocol):
    """Reads the response to a request of a lane from the buffer of its connection."""

    def received(self) -> None: ...

    def give_away(self) -> None:
        """The connection is lost."""


MAX_INTERIM_RESPONSES = 16
"""Interim responses (1xx, RFC 9110 section 15.2) that are accepted before the final one."""


class Connection(asyncio.BufferedProtocol):
    """See `asyncio.BufferedProtocol`. One exchange at a time; `usable`: another one may follow.

    The pool or the transport closes it with `abort`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, buffers: BufferPool) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self.buffer = ReceiveBuffer(buffers)
        self._sink: Sink | None = None
        self._url = ""
        self._response: ResponseParser | None = None
        self._chunks = ChunkedBody()
        self._interim_count = 0
        self._waiter: asyncio.Future[Awaitable[None] | None] | None = None
        self.sink_busy = False
        """whether the sink has not taken the last piece yet: the server is not to blame for a pause"""
        self._reading_paused = False
        self._has_body = True
        """whether the response may have one"""
        self.patience = 0.0
        """seconds that the request itself may take to be sent"""
        self._listener: Listener | None = None
        self._held = False
        """what was received waits for an exchange that goes on with it"""
        self._closed = False
        self._failure: Exception | None = None
        self._loss: Exception | None = None
        self.usable = False
        self.created_at = loop.time()
        self.last_active = self.created_at
        """loop time at which bytes were last sent, received or taken by the sink"""

    @property
    def response_begun(self) -> bool:
        """Whether the head of a response to the last request was received."""
        return self._response is not None

    def is_idle(self, since: float) -> bool:
        """Whether the peer has done nothing since this loop time, though it could have."""
        return self.last_active + self.patience < since and not self.sink_busy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are, but do not inherit from it
        self.usable = True

    def begin(self, request: bytes, listener: Listener, now: float) -> None:
        """Send a request whose response `listener` reads, until `finish_lane` or `hold`.

        `now`: the loop time. It may follow a response that the same listener has read to its end.
        """
        assert self._transport is not None
        self._listener, self._response, self.usable = listener, None, False
        self.buffer.rest()
        self.last_active = now
        self._transport.write(request)

    def finish_lane(self, now: float) -> None:
        """The response was read to its end."""
        self._listener, self.last_active = None, now
        self.buffer.rest()
        self.usable = not self._closed

    def hold(self) -> None:
        """Receive nothing more until an exchange goes on with what has come."""
        self._listener, self._held, self._interim_count = None, True, 0
        if self._transport is not None and not self._closed:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Process what was received while the connection was held."""
        self._held = False
        if self._transport is not None and not self._closed:
            self._transport.resume_reading()
        self._advance(False)
        if self._closed and not self.sink_busy:
            self._end_after_loss()

    async def exchange(self, request: bytes | None, sink: Sink, url: str) -> None:
        """Send a request and push its response into `sink`. Any exception closes the connection.

        None: the request was sent already, and the connection is held. Raises `BadResponseError`,
        `DroppedError`, what `fail` was given, or what the sink raises.
        """
        self._sink, self._url, self._response, self._interim_count = sink, url, None, 0
        self._has_body = request is None or not request.startswith(b"HEAD ")
        self.patience = len(request or b"") / SLOWEST_SENDING
        self._waiter = self._loop.create_future()
        self.usable = False
        try:
            if request is None:
                self._go_on()
            else:
                assert self._transport is not None
                self.last_active = self._loop.time()
                self._transport.write(request)
            while (busy := await self._waiter) is not None:
                await busy
                self._waiter = self._loop.create_future()
                self._resume()
        except asyncio.CancelledError as stop:
            self.abort()
            try:
                self._deliver_rest(sink)
            finally:
                raise stop  # also if the sink raises
        except BaseException:
            self.abort()
            raise
        finally:
            self._sink = self._waiter = None

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer.free()

    def buffer_updated(self, nbytes: int) -> None:
        self.buffer.filled += nbytes
        if (listener := self._listener) is not None:
            listener.received()
            return
        if self._held:
            return  # a read that was under way
        self._advance(False)
        if self._response is not None:  # a head that arrives byte by byte is no activity
            self.last_active = self._loop.time()

    def _advance(self, flush: bool) -> None:
        """Process the received bytes. `flush`: deliver a piece of a body even if the buffer is not full."""
        if self._waiter is None or self._waiter.done():
            if self.sink_busy:
                self._pause_or_resume()
            else:
                self.abort()  # bytes without a request
            return
        try:
            if self._response is None and not self._read_head():
                return
            self._deliver(flush)
        except BaseException as error:  # raised where the exchange is awaited
            if isinstance(error, BadResponseError):
                error.head_complete = self._response is not None
            self.buffer.hand_over(False)  # the sink may still use what it took before it raised
            self._end(error)
            self.abort()

    def _read_head(self) -> bool:
        """Read the head if all of it was received. True if the body may follow."""
        buffer = self.buffer
        while self._response is None:
            end = buffer.data.find(END_OF_HEAD, buffer.consumed, buffer.filled) + len(END_OF_HEAD)
            if end < len(END_OF_HEAD) or end - buffer.consumed > MAX_HEAD_BYTES:
                check_partial_head(buffer.data, buffer.consumed, buffer.filled)
                return False
            response = ResponseParser(buffer.view[buffer.consumed : end], has_body=self._has_body)
            buffer.consumed = end
            if response.status >= FIRST_FINAL:
                self._response = response
                self._start(response)
            else:
                self._interim_count += 1
                if response.status == SWITCHING_PROTOCOLS or self._interim_count > MAX_INTERIM_RESPONSES:
                    raise BadResponseError(f"status {response.status} out of place")
        return True

    def _start(self, response: ResponseParser) -> None:
        assert self._sink is not None
        if response.status == MISDIRECTED:
            response.keep_alive = False
        self.patience = 0.0
        self._sink.start(Head(response.status, response.fields, self._url))
        if not self.buffer.fit(response.remaining):
            self.buffer.enlarge()
        elif response.framing is Framing.CHUNKED:
            self._chunks = ChunkedBody()

    def _deliver(self, flush: bool) -> None:
        response = self._response
        assert response is not None
        if response.framing is Framing.LENGTH:
            self._deliver_counted(response, flush)
        elif response.framing is Framing.CHUNKED:
            piece = self._chunks.feed(self.buffer.take_all())
            self._push(piece, self._chunks.complete)
        elif response.framing is Framing.CLOSE:
            self._push(self.buffer.take_all(), False)
        else:
            self._finish(response)

    def _deliver_counted(self, response: ResponseParser, flush: bool) -> None:
        """Bytes are collected until the buffer is full or the body complete: a small body is one piece."""
        buffer = self.buffer
        count = buffer.filled - buffer.consumed
        if count > response.remaining:
            raise BadResponseError("more bytes than its Content-Length")
        if count == response.remaining or buffer.full or (flush and count):
            response.remaining -= count
            self._push(buffer.take_all(), not response.remaining)

    def _push(self, data: memoryview | bytes, last: bool) -> None:
        assert self._sink is not None and self._waiter is not None and self._response is not None
        busy = self._sink.write(data) if len(data) else None
        if last:
            self._response.framing = Framing.NONE
        if busy is not None:
            self.sink_busy = True
            if isinstance(data, memoryview):
                self.buffer.hand_over(not last)
            self._pause_or_resume()
            self._waiter.set_result(busy)
        elif last:
            self._finish(self._response)

    def _pause_or_resume(self) -> None:
        """Stop reading while the sink is busy and the buffer is full; read on otherwise."""
        pause = self.sink_busy and self.buffer.full
        if pause is not self._reading_paused and self._transport is not None and not self._closed:
            self._reading_paused = pause
            (self._transport.pause_reading if pause else self._transport.resume_reading)()

    def _resume(self) -> None:
        """The sink has taken the last piece: continue, or end if the connection was closed meanwhile."""
        self.sink_busy = False
        self.buffer.released()
        self.last_active = self._loop.time()
        if self._response is not None and self._response.framing is Framing.NONE:
            self._finish(self._response)
        elif self.buffer.filled > self.buffer.consumed:
            self._advance(False)
        if self._closed and not self.sink_busy:
            self._end_after_loss()
        else:
            self._pause_or_resume()

    def _finish(self, response: ResponseParser) -> None:
        if self.buffer.consumed < self.buffer.filled:
            raise BadResponseError("bytes after the end of the body")
        self.buffer.shrink()
        self.usable = response.keep_alive and not self._closed
        if not self.usable:
            self.abort()
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            if error is None:
                self._waiter.set_result(None)
            else:
                self._waiter.set_exception(error)

    def flush(self) -> None:
        """Deliver what was received so far, so that the speed of a slow body can be measured."""
        buffer = self.buffer
        if buffer.filled > buffer.consumed and self._response is not None and not self.sink_busy:
            self._advance(True)

    def _deliver_rest(self, sink: Sink) -> None:
        """After a cancellation: deliver what was received, for a resume by a later run, without waiting."""
        if self._response is not None and self._response.framing is Framing.LENGTH:
            sink.write(bytes(self.buffer.take_all()[: self._response.remaining]))

    def fail(self, error: Exception) -> None:
        """End the exchange with this error."""
        self._failure = error
        self.flush()
        self._end(error)
        self.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._loss = exc
        self.usable = False
        self._transport = None
        if self._listener is not None:
            self._listener.give_away()
        elif not self.sink_busy:
            self._end_after_loss()

    def _end_after_loss(self) -> None:
        """The connection was closed: deliver what was received of the response, then end the exchange."""
        self.flush()
        if self.sink_busy:
            return
        response, response_begun = self._response, self._interim_count > 0 or self.buffer.filled > 0
        if self._failure is not None:
            self._end(self._failure)
        elif response is not None and response.framing is Framing.CLOSE and self._loss is None:
            self._end(None)
        else:
            head_complete = response is not None
            self._end(DroppedError(response_begun or head_complete, head_complete, self._loss))

    def abort(self) -> None:
        """Close the connection at once. Bytes in send and receive buffers are dropped."""
        self.usable = False
        self._closed = True
        self.buffer.drop()
        if self._transport is not None:
            self._transport.abort()
