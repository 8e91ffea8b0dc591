"""What every transfer of a run works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .events import Events
from .http import Http
from .keeping import Keeping
from .model import Asset
from .places import Places
from .progress import Meter
from .ranges import Ranges
from .resuming import Hosts
from .retry import Retry
from .sharing import Sharing
from .stores.local import LocalStore


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
