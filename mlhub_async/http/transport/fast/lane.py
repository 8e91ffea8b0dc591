"""The lane of the small-file path: requests to one origin, each answered in the callbacks of its connection.

Between the end of a body and the next request no task runs. A response that is not ordinary is not judged
here: the exchange is given away as it is, and `FastTransport.send` goes on with it. Nor are connections
opened here: what may go wrong with that is the general path's to decide. What it has opened is used later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ....core.model import Request
from ....core.ports import LaneSink
from ....core.urls import Origin
from .buffers import ReceiveBuffer
from .connection import Connection
from .head import END_OF_HEAD, MAX_HEAD_BYTES
from .ordinary_head import STATUS_LINE, parse_ordinary
from .pool import ConnectionPool


class ConnectionLane:
    """See `ports.RequestLane`. `serialise` gives the bytes of a request. To be closed by its owner."""

    def __init__(self, pool: ConnectionPool, origin: Origin, serialise: Callable[[Request], bytes]) -> None:
        self.open = True
        self.message = serialise
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._origin = origin
        self.busy: set[LaneExchange] = set()
        self.given_away: set[LaneExchange] = set()

    def shut(self) -> None:
        self.open = False

    def submit(self, message: bytes, sink: LaneSink) -> None:
        connection = self._pool.take(self._origin)
        if connection is None:
            sink.gave_up(None)
            return
        self.busy.add(exchange := LaneExchange(self, connection, sink))
        connection.begin(message, exchange)

    def free(self, exchange: LaneExchange) -> None:
        """The connection of an exchange can take the next request."""
        self.busy.discard(exchange)
        self._pool.give_back(self._origin, exchange.connection)

    def give_away_older(self, when: float) -> None:
        """Give away the exchanges that began before `when`, in loop time: the general path watches them."""
        for exchange in [one for one in self.busy if one.began_at < when]:
            exchange.give_away()

    def close(self) -> None:
        """Close the connections in use."""
        for exchange in self.busy | self.given_away:
            exchange.connection.abort()


class LaneExchange:
    """One request of a lane, and its response while it arrives. See `ports.LaneExchange`, `LaneSink`."""

    __slots__ = (
        *("_body_end", "_body_start", "_fields", "_lane", "_sink"),
        *("_waited", "began_at", "connection"),
    )

    def __init__(self, lane: ConnectionLane, connection: Connection, sink: LaneSink) -> None:
        self._lane = lane
        self._sink = sink
        self._body_start = self._body_end = 0
        self.connection = connection
        self.began_at = lane._loop.time()

    def received(self) -> None:
        """Bytes have come."""
        connection, buffer = self.connection, self.connection.buffer
        if not self._body_end and not self._read_head(buffer):
            return
        connection.last_active = self._lane._loop.time()
        if buffer.filled < self._body_end:
            return
        body = buffer.view[self._body_start : self._body_end]
        if buffer.filled > self._body_end or not self._sink.accepts(self._fields, body):
            self.give_away()
            return
        connection.finish_lane()
        self._lane.free(self)
        self._sink.landed(self._waited)

    def _read_head(self, buffer: ReceiveBuffer) -> bool:
        """Whether the head has come and is ordinary."""
        data, filled = buffer.data, buffer.filled
        end = data.find(END_OF_HEAD, 0, filled) + len(END_OF_HEAD)
        if end < len(END_OF_HEAD):
            if filled > MAX_HEAD_BYTES or not data.startswith(STATUS_LINE[:filled]):
                self.give_away()
            return False
        found = parse_ordinary(bytes(buffer.view[:end]))
        if found is None or end + found[1] > len(data):
            self.give_away()
            return False
        self._fields, length = found
        self._body_start, self._body_end = end, end + length
        self._waited = self._lane._loop.time() - self.began_at
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
