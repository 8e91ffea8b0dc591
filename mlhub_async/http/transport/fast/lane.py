"""The lane of the small-file path: requests to one origin, each answered in the callbacks of its connection.

Between the end of a body and the next request no task runs. A response that is not ordinary is not judged
here: the exchange is given away as it is, and `FastTransport.send` goes on with it. Nor is the failure to
open a connection: `FastTransport.send` raises it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ....core.model import Request
from ....core.urls import Origin
from .buffers import ReceiveBuffer
from .connection import Connection
from .head import END_OF_HEAD, MAX_HEAD_BYTES
from .ordinary_head import STATUS_LINE, OrdinaryHeads
from .pool import MAX_CONNECTION_AGE_SECONDS, ConnectionPool

if TYPE_CHECKING:
    from ....core.ports import LaneSink


class ConnectionLane:
    """See `ports.RequestLane`. `serialise` gives the bytes of a request. To be closed by its owner."""

    def __init__(self, pool: ConnectionPool, origin: Origin, serialise: Callable[[Request], bytes]) -> None:
        self.open = True
        self.message = serialise
        self.time = asyncio.get_running_loop().time
        self.heads = OrdinaryHeads()
        self._pool = pool
        self._origin = origin
        self.busy: set[LaneExchange] = set()
        self.given_away: set[LaneExchange] = set()
        self._opening: set[asyncio.Task[None]] = set()

    def shut(self) -> None:
        self.open = False

    def submit(self, message: bytes, sink: LaneSink) -> None:
        if (connection := self._pool.take(self._origin)) is not None:
            self._begin(connection, message, sink, reused=True)
        else:
            task = asyncio.get_running_loop().create_task(self._open(message, sink))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, message: bytes, sink: LaneSink) -> None:
        try:
            connection = await self._pool.connect(self._origin)
        except Exception as error:  # whatever it is: raised where the general path goes on
            sink.gave_up(FailedOpening(error))
            return
        if self.open:
            self._begin(connection, message, sink, reused=False)
        else:
            self._pool.give_back(self._origin, connection)
            sink.gave_up(None)

    def _begin(self, connection: Connection, message: bytes, sink: LaneSink, *, reused: bool) -> None:
        exchange = LaneExchange(self, connection, reused=reused)
        self.busy.add(exchange)
        exchange.go_on(message, sink)

    def free(self, exchange: LaneExchange) -> None:
        """The connection of an exchange can take another request."""
        self.busy.discard(exchange)
        exchange.connection.finish_lane(self.time())
        self._pool.give_back(self._origin, exchange.connection)

    def give_away_older(self, when: float) -> None:
        """Give away the exchanges that began before `when`, in loop time: the general path watches them."""
        for exchange in [one for one in self.busy if one.began_at < when]:
            exchange.give_away()

    async def close(self) -> None:
        """Close the connections in use. Returns when none is being opened any more."""
        for exchange in self.busy | self.given_away:
            exchange.connection.abort()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)


class FailedOpening:
    """Why the connection for a request of a lane could not be opened. See `ports.BegunExchange`."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def discard(self) -> None: ...


class LaneExchange:
    """A request of a lane, and its response while it arrives; then the next one on the same connection.

    See `ports.LaneExchange`, `LaneSink`. `reused`: the server may have closed the connection before the
    request came.
    """

    __slots__ = (
        *("_body_end", "_body_start", "_fields", "_lane", "_sink", "_waited"),
        *("began_at", "connection", "reused"),
    )

    def __init__(self, lane: ConnectionLane, connection: Connection, *, reused: bool) -> None:
        self._lane = lane
        self.connection = connection
        self.reused = reused

    def go_on(self, message: bytes, sink: LaneSink) -> None:
        self.began_at = now = self._lane.time()
        if now - self.connection.created_at > MAX_CONNECTION_AGE_SECONDS:
            self.free()
            self._lane.submit(message, sink)
            return
        self._sink = sink
        self._body_end = 0
        self.connection.begin(message, self, now)

    def free(self) -> None:
        self._lane.free(self)

    def received(self) -> None:
        """Bytes have come."""
        connection, buffer = self.connection, self.connection.buffer
        if not self._body_end and not self._read_head(buffer):
            return
        if buffer.filled == self._body_end:
            self.reused = True
            body = buffer.view[self._body_start : self._body_end]
            if self._sink.accepts(self, self._fields, body, self._waited):
                return
        connection.last_active = self._lane.time()
        if buffer.filled >= self._body_end:
            self.give_away()

    def _read_head(self, buffer: ReceiveBuffer) -> bool:
        """Whether the head has come and is ordinary."""
        data, filled = buffer.data, buffer.filled
        end = data.find(END_OF_HEAD, 0, filled) + len(END_OF_HEAD)
        if end < len(END_OF_HEAD):
            if filled > MAX_HEAD_BYTES or not data.startswith(STATUS_LINE[:filled]):
                self.give_away()
            return False
        found = self._lane.heads.parse(bytes(buffer.view[:end]))
        whole = end + found[1] if found is not None else 0
        if found is None or (whole > len(data) and not buffer.fit(whole)):
            self.give_away()
            return False
        self._fields = found[0]
        self._body_start, self._body_end = end, whole
        self._waited = self._lane.time() - self.began_at
        return True

    def give_away(self) -> None:
        """Leave the exchange to the sink, as it is: with all bytes that came, or with the connection lost."""
        self._lane.busy.discard(self)
        self._lane.given_away.add(self)
        self.connection.hold()
        self._sink.gave_up(self)

    def take(self) -> Connection:
        """The connection, for a transport that goes on with it."""
        self._lane.given_away.discard(self)
        return self.connection

    def discard(self) -> None:
        self.take().abort()
