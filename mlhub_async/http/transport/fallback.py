"""Two transports as one: an origin whose responses one cannot read is asked through the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.errors import Transient
from ...core.model import Request
from ...core.urls import Origin, origin
from .failures import PROTOCOL, UnreadableHead

if TYPE_CHECKING:
    from ...core.ports import Lanes, RequestLane, Sink, Transport


class FallbackTransport:
    """See `ports.Transport`. `make_second` is called when the second transport is needed.

    After a response that is not valid HTTP the other transport gets the requests to that origin. The request
    is repeated through it at once, the first time that happens, if nothing was given to the sink. An origin
    that neither can read is asked through each in turn, by the retries of the caller.
    """

    def __init__(
        self, first: Transport, make_second: Callable[[], Transport], lanes: Lanes = lambda _: None
    ) -> None:
        """`lanes`: those of the first transport."""
        self._first = first
        self._lanes = lanes
        self._make_second = make_second
        self._second: Transport | None = None
        self._uses_second: dict[Origin, bool] = {}
        """origins with a response that was not valid HTTP"""

    async def send(self, request: Request, sink: Sink) -> None:
        if not self._uses_second:
            target, uses_second = None, False
        else:
            target = origin(request.url)
            uses_second = self._uses_second.get(target, False)
        try:
            await (self._second_transport() if uses_second else self._first).send(request, sink)
        except Transient as error:
            if error.kind != PROTOCOL:
                raise
            target = target or origin(request.url)
            is_first_time = target not in self._uses_second
            self._uses_second[target] = not uses_second
            if (lane := self._lanes(target)) is not None:
                lane.shut()
            if not (is_first_time and isinstance(error, UnreadableHead) and request.method == "GET"):
                error.free = error.free or is_first_time
                raise
            await self.send(request, sink)

    def lane(self, target: Origin) -> RequestLane | None:
        """See `ports.Lanes`."""
        return None if target in self._uses_second else self._lanes(target)

    def _second_transport(self) -> Transport:
        if self._second is None:
            self._second = self._make_second()
        return self._second

    async def close(self) -> None:
        await self._first.close()
        if self._second is not None:
            await self._second.close()
