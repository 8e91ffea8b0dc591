"""Forces the small-file path on, from the first request to an origin on, or off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mlhub_async.http.resilience.gate import Gate
from mlhub_async.http.transport.fallback import FallbackTransport

BEGIN = Gate.__init__


def force_on() -> None:
    """Take every origin for one that is known to be well until something fails there."""

    def begin_well(self: Gate, *args: Any) -> None:
        BEGIN(self, *args)
        self.breaker.healthy = True
        self._review()

    Gate.__init__ = begin_well  # type: ignore[method-assign]


def force_off() -> None:
    FallbackTransport.lane = lambda self, target: None  # type: ignore[method-assign]


FORCE: dict[str, Callable[[], None]] = {"on": force_on, "off": force_off}


@contextmanager
def forced(how: str) -> Iterator[None]:
    before = Gate.__init__, FallbackTransport.lane
    FORCE[how]()
    try:
        yield
    finally:
        Gate.__init__, FallbackTransport.lane = before  # type: ignore[method-assign]
