"""The protocols of a lane, by which a connection asks for one small file after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..model import Request
from ..urls import Origin


class BegunExchange(Protocol):
    """A request that a lane has sent, and what was received of its response; or why it could not be sent.

    `Transport.send` goes on with it if it is in `Request.begun`. Otherwise it must be discarded.
    """

    def discard(self) -> None: ...


class LaneExchange(BegunExchange, Protocol):
    """The same after a response that was accepted: `go_on` sends the next request over the connection, `free`
    leaves it to others.
    """

    def go_on(self, message: bytes, sink: LaneSink) -> None: ...

    def free(self) -> None: ...


class LaneSink(Protocol):
    """Takes the response to one request of a lane, in callbacks of the event loop.

    `accepts` is called with the body of an ordinary response when all of it is there. If it returns True, it
    has called `exchange.go_on` or `exchange.free`; the view is valid until then. `waited` are the seconds
    from the request to the head. In all other cases `gave_up` is called, once: with the exchange as it is
    then, or None where nothing was tried.
    """

    def accepts(
        self, exchange: LaneExchange, fields: Mapping[str, str], body: memoryview, waited: float
    ) -> bool: ...

    def gave_up(self, exchange: BegunExchange | None) -> None: ...


class RequestLane(Protocol):
    """Sends requests for small files to one origin, over the connections of its transport.

    It reads ordinary responses only: 200, of a known length that fits into the buffer, with neither content
    coding nor digest beside it, in time, on a connection that stays open. It knows no limits: `submit` sends
    at once, or as soon as there is a connection. While it is not `open` the origin must be asked in another
    way.
    """

    @property
    def open(self) -> bool: ...

    def message(self, request: Request) -> bytes:
        """The bytes of a request, for `submit`. Raises `TransferError`."""

    def submit(self, message: bytes, sink: LaneSink) -> None: ...

    def shut(self) -> None: ...


Lanes = Callable[[Origin], RequestLane | None]
"""Gives the lane to an origin, None if there is none."""


class BegunRequest:
    """A request that was sent already, with its slot at the origin and what was received of the response.

    Each of the two is taken over once. `discard` gives up what was not: it is called in the end, always.
    """

    __slots__ = ("_discard", "_exchange", "_leave", "generation", "sent", "sent_at")

    def __init__(
        self,
        sent: Request,
        sent_at: float,
        generation: int,
        exchange: object,
        discard: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        """`sent`: with credentials. `generation`: that of the circuit breaker then. `exchange`: for the
        transport that gave it away. `leave` gives the slot back."""
        self.sent = sent
        self.sent_at = sent_at
        self.generation = generation
        self._exchange: object | None = exchange
        self._discard = discard
        self._leave: Callable[[], None] | None = leave

    @property
    def pending(self) -> bool:
        """Whether nothing has gone on with it yet."""
        return self._exchange is not None

    def take_slot(self) -> bool:
        """Whether the caller has the slot from now on."""
        had, self._leave = self._leave, None
        return had is not None

    def take_exchange(self) -> object | None:
        exchange, self._exchange = self._exchange, None
        return exchange

    def discard(self) -> None:
        if self.take_exchange() is not None:
            self._discard()
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
