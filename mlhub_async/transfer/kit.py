"""What every transfer of a run works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..core.model import Asset
from ..core.places import Places
from ..core.progress import Meter
from ..core.telemetry import Events
from ..http.client import Http
from ..http.resilience.retry import Retry
from ..storage.local.store import LocalStore
from .dedupe import Sharing
from .existing import Keeping
from .resume import Hosts
from .segments.coordinator import Ranges


@dataclass(frozen=True, slots=True)
class Kit:
    """What fetch works with; one for the whole run. `move` gives an asset a path with its late suffix."""

    http: Http
    store: LocalStore
    retry: Retry
    sharing: Sharing
    refresh: Callable[[Asset], Awaitable[Asset | None]]
    move: Callable[[tuple[str, str, str], str], Awaitable[str]]
    meter: Meter
    events: Events
    keeping: Keeping
    express: bool = False
    hosts: Hosts = field(default_factory=Hosts)
    places: Places = field(default_factory=Places)
    ranges: Ranges | None = None
