"""What all transfers of a run share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.concurrency import IdleSlots
from ..core.model import Asset
from ..core.telemetry import Events, Meter
from ..http.client import Http
from ..http.resilience.retry import Retry
from .dedupe import UrlDedupe
from .existing import ExistingFiles
from .resume import OriginQuirks
from .segments.coordinator import SegmentPolicy

if TYPE_CHECKING:
    from ..core.ports import References, Store

Refresh = Callable[[Asset], Awaitable[Asset | None]]
"""Gives an asset with its present href, None if there is no newer one."""
Move = Callable[[tuple[str, str, str], str], Awaitable[str]]
"""Gives the asset of this identity another path, or one beside it that is free; returns it."""


@dataclass(slots=True, eq=False, repr=False)
class TransferContext:
    """The collaborators of a transfer; one for the whole run. The caller closes what it holds."""

    http: Http
    store: Store
    retry: Retry
    dedupe: UrlDedupe
    refresh: Refresh
    move: Move
    meter: Meter
    events: Events
    existing: ExistingFiles
    small_files: bool = False
    """whether the small-file path may be used"""
    quirks: OriginQuirks = field(default_factory=OriginQuirks)
    idle_slots: IdleSlots = field(default_factory=IdleSlots)
    segments: SegmentPolicy | None = None
    """None: no body is divided"""
    references: References | None = None
    """other mirrors that are asked before the origins"""
