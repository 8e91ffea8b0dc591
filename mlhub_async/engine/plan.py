"""What a mirror would fetch, without fetching it: the listing, counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import stac
from ..core.model import Collection, Entry, Flaw, Item
from ..core.options import Options
from ..core.telemetry import Meter
from ..sources.recognise import Given
from ..storage import naming
from .connect import Deadline, open_source
from .prune import ListedScope, known_as, refuse_partial_selection
from .report.completeness import Completeness, read_source

Hide = Callable[[str], str]
Save = Callable[[Item, Hide], None]
"""Takes an item, and what takes the secrets of this run out of a URL of it."""


@dataclass(slots=True)
class Plan:
    """Counts of a listing. `known_bytes` adds up file:size; `unknown_sizes` assets have none."""

    source: str
    selection: dict[str, Any]
    listing: Completeness = field(default_factory=Completeness)
    items: int = 0
    assets: int = 0
    filtered: int = 0
    known_bytes: int = 0
    unknown_sizes: int = 0
    by_collection: Counter[str] = field(default_factory=Counter)
    items_of: Counter[str] = field(default_factory=Counter)
    named: set[int] = field(default_factory=set)
    """`known_as` of everything that was listed: what it does not have may be pruned"""
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def listed(self) -> ListedScope:
        """For --prune."""
        flaws = sum(not flaw.benign for flaw in self.flaws)
        return ListedScope(self.source, self.listing, flaws, self.items_of, self.named)

    @property
    def exit_code(self) -> int:
        if not self.listing.complete or any(flaw.error.retryable for flaw in self.flaws):
            return 5
        return 4 if any(not flaw.benign for flaw in self.flaws) else 0

    def summary(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "selection": self.selection,
            "items": self.items,
            "assets": self.assets,
            "filtered": self.filtered,
            "known_bytes": self.known_bytes,
            "unknown_sizes": self.unknown_sizes,
            "by_collection": dict(self.by_collection),
            "listing_complete": self.listing.complete,
            "exit_code": self.exit_code,
        }


async def plan_only(
    source: Given,
    options: Options | None = None,
    *,
    meter: Meter | None = None,
    each: Callable[[Item], None] | None = None,
    save: Save | None = None,
    environ: Mapping[str, str] | None = None,
) -> Plan:
    """List a source and count what `mirror` would fetch. `each` is given every item, `save` to write it down.

    A listing that breaks off is in the plan. Raises `UsageError`, `SourceError` or `LimitReached`.
    """
    options = options or Options()
    deadline = Deadline(options.max_duration)
    naming.check_template(options.path_template)
    refuse_partial_selection(options)
    environ = os.environ if environ is None else environ
    async with open_source(source, options, environ, deadline) as (found, http, _), deadline.enforced():
        plan = Plan(found.name, options.selection.asked(), Completeness.of(options.selection))
        given = _Given(each, save, http.fetchable)
        await read_source(found, _Counting(plan, options, meter or Meter(), given).emit, plan.listing)
    return plan


@dataclass(frozen=True, slots=True)
class _Given:
    """Who is given the items."""

    each: Callable[[Item], None] | None
    save: Save | None
    hide: Hide

    def item(self, item: Item) -> None:
        if self.each is not None:
            self.each(item)
        if self.save is not None:
            self.save(item, self.hide)


class _Counting:
    """What the source lists, counted into the plan; what comes again is counted once."""

    def __init__(self, plan: Plan, options: Options, meter: Meter, given: _Given) -> None:
        self._plan = plan
        self._prunes = options.prune
        self._wants = stac.asset_filter(options.selection)
        self._meter = meter
        self._given = given

    async def emit(self, entries: Sequence[Entry]) -> None:
        plan, meter = self._plan, self._meter
        pass_name = plan.listing.pass_name(entries)
        items = [_identity(one) for one in entries if isinstance(one, Item)]
        repeated = (
            None if pass_name is None else sum(not self._first(hash((pass_name, item))) for item in items)
        )
        owners = [one for one in entries if isinstance(one, Item | Collection)]
        fresh = [owner for owner in owners if self._first(_identity(owner))]
        plan.listing.add_batch(entries, len(items) - sum(isinstance(one, Item) for one in fresh), repeated)
        for owner in fresh:
            self._add(owner)
        plan.flaws += [one for one in entries if isinstance(one, Flaw)]
        meter.listed, meter.selected = plan.items, plan.assets

    def _first(self, identity: int) -> bool:
        known = len(self._plan.named)
        self._plan.named.add(identity)
        return len(self._plan.named) > known

    def _add(self, owner: Item | Collection) -> None:
        plan = self._plan
        item, collection = (owner.id, owner.collection) if isinstance(owner, Item) else ("", owner.id)
        assets = stac.outlines_of(owner)
        everything = self._wants is stac.any_asset
        chosen = assets if everything else [one for one in assets if self._wants(one, owner.body)]
        plan.items += bool(item)
        plan.items_of[collection] += bool(item)
        if self._prunes:
            plan.named.update(known_as(collection, item, asset.key) for asset in chosen)
        plan.assets += len(chosen)
        plan.filtered += len(assets) - len(chosen)
        plan.by_collection[collection] += len(chosen)
        sizes = [asset.size for asset in chosen if asset.size is not None]
        plan.known_bytes += sum(sizes)
        plan.unknown_sizes += len(chosen) - len(sizes)
        if isinstance(owner, Item):
            self._given.item(owner)


def _identity(owner: Item | Collection) -> int:
    return known_as(owner.collection, owner.id) if isinstance(owner, Item) else known_as(owner.id, "")
