"""`plan_only`: what a mirror would fetch, counted from the listing without any transfer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import stac
from ...core.errors import MlhubError, NothingMatched, UsageError
from ...core.model import Asset, Collection, Concern, Entry, Flaw, Item
from ...core.options import Options
from ...core.telemetry import Meter
from ...core.urls import canonical
from ...sources.location import Given
from ...storage import naming
from ...storage.indexes.number_set import NumberSet
from ..connect import Deadline, open_source
from ..finish.prune import ListedScope, listed_id, refuse_partial_selection
from ..report.completeness import Completeness, read_source
from ..report.empty_selection import Offered, matches_nothing
from .distinct import DistinctUrls

if TYPE_CHECKING:
    from .forecast.frame import Frame
    from .forecast.sampling import Forecast

HideSecrets = Callable[[str], str]
"""Removes the credentials of this run from a URL, and leaves what anybody needs to fetch it."""
Save = Callable[[Item | Collection, HideSecrets], None]
Observe = Callable[[Sequence[Item | Collection]], Awaitable[None]]


@dataclass(slots=True)
class Plan:
    """Counts of a listing. `known_bytes` is the sum of all file:size; `unknown_sizes` assets have none."""

    source: str
    selection: dict[str, Any]
    listing: Completeness = field(default_factory=Completeness)
    items: int = 0
    assets: int = 0
    filtered: int = 0
    urls: int = 0
    """different URLs of these: each is fetched once, however many assets name it"""
    url_bytes: int = 0
    """the file:size of these"""
    known_bytes: int = 0
    unknown_sizes: int = 0
    by_collection: Counter[str] = field(default_factory=Counter)
    """assets of each collection"""
    items_of: Counter[str] = field(default_factory=Counter)
    """items of each collection"""
    listed_ids: NumberSet = field(default_factory=NumberSet)
    """`listed_id` of everything that was listed: what else is in the mirror may be pruned"""
    flaws: list[Flaw] = field(default_factory=list)
    allow_empty: bool = False
    offered: Offered = field(default_factory=Offered)
    forecast: Forecast | None = None
    """what is expected where sizes are unknown, if that was asked for"""

    @property
    def listed(self) -> ListedScope:
        """What `foreseen` needs to know of the listing."""
        flaws = sum(not flaw.benign for flaw in self.flaws)
        return ListedScope(self.source, self.listing, flaws, self.items_of, self.listed_ids)

    @property
    def exit_code(self) -> int:
        """As that of a mirror whose transfers all succeed."""
        if (code := self.listing.exit_code) != 0:
            return code
        if self.nothing_matched:
            return 0 if self.allow_empty else NothingMatched.exit_code
        return 4 if any(not flaw.benign for flaw in self.flaws) else 0

    @property
    def nothing_matched(self) -> bool:
        """A selection was given, and the catalogue has nothing of it."""
        return self.listing.complete and matches_nothing(
            self.selection, items=self.items, selected=self.assets, filtered=self.filtered
        )

    def offered_lines(self) -> Iterator[str]:
        """What there is instead of what was asked for, where nothing matched."""
        return self.offered.lines(
            self.selection, self.source, self.items, self.filtered, self.listing.returned
        )

    def summary(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "selection": self.selection,
            "items": self.items,
            "assets": self.assets,
            "urls": self.urls,
            "url_bytes": self.url_bytes,
            "filtered": self.filtered,
            "known_bytes": self.known_bytes,
            "unknown_sizes": self.unknown_sizes,
            "by_collection": dict(self.by_collection),
            "listing_complete": self.listing.complete,
            **({"forecast": self.forecast.summary()} if self.forecast is not None else {}),
            "exit_code": self.exit_code,
        }


async def plan_only(
    source: Given,
    options: Options | None = None,
    *,
    meter: Meter | None = None,
    save: Save | None = None,
    observe: Observe | None = None,
    environ: Mapping[str, str] | None = None,
    forecast: bool = False,
    frame: Frame | None = None,
) -> Plan:
    """List a source and count what `mirror` would fetch. `save` is called once with every item and
    collection, `observe` awaited with every item and collection. `forecast`: ask the hosts of files of
    unknown size for a sample of sizes. `frame`: the files to forecast, which `observe` adds to it; None: all.

    Why a listing broke off is in the plan. Raises `UsageError`, `SourceError` or `LimitReached`.
    """
    options = options or Options()
    deadline = Deadline(options.max_duration)
    naming.check_template(options.template)
    refuse_partial_selection(options)
    if options.shard is not None:
        raise UsageError("--shard is for mirror: a plan is of all shards; leave it out")
    environ = os.environ if environ is None else environ
    async with open_source(source, options, environ, deadline) as (found, http, *_), deadline.enforced():
        plan = Plan(found.name, options.selection.asked(), Completeness())
        plan.allow_empty = options.allow_empty

        def save_owner(owner: Item | Collection) -> None:
            if save is not None:
                save(owner, http.fetchable)

        counter = _Counter(plan, options, meter or Meter(), save_owner, observe)
        if forecast and frame is None:
            from .forecast.frame import Frame

            frame = counter.frame = Frame()
        try:
            await read_source(found, counter.emit, plan.listing)
        finally:
            counter.finish()
        if frame is not None:
            from .forecast.sampling import forecast as forecast_of

            plan.forecast = await forecast_of(http, frame)
    return plan


class _Counter:
    """Counts the entries of a listing into a plan. An item that is listed twice is counted once."""

    def __init__(
        self,
        plan: Plan,
        options: Options,
        meter: Meter,
        save_owner: Callable[[Item | Collection], None],
        observe: Observe | None,
    ) -> None:
        self.frame: Frame | None = None
        """gets all files, where a forecast is asked for"""
        self._plan = plan
        self._observe = observe
        self._urls = DistinctUrls()
        self._remembers_assets = options.prune or observe is not None
        self._wants_of = stac.asset_filters(options.selection)
        self._meter = meter
        self._save_owner = save_owner

    async def emit(self, entries: Sequence[Entry]) -> None:
        plan, meter = self._plan, self._meter
        pass_name = plan.listing.pass_name(entries)
        ids = [_id_of(one) for one in entries if isinstance(one, Item)]
        repeated_in_pass = None
        if pass_name is not None:
            repeated_in_pass = len(ids) - len(plan.listed_ids.add(hash((pass_name, id)) for id in ids))
        owners: dict[int, Item | Collection] = {}
        for one in entries:
            if isinstance(one, Item | Collection):
                owners.setdefault(_id_of(one), one)
        first = plan.listed_ids.add(owners)
        new = [owner for id, owner in owners.items() if id in first]
        repeated = len(ids) - sum(isinstance(one, Item) for one in new)
        plan.listing.add_batch(entries, repeated, repeated_in_pass)
        for owner in new:
            self._add(owner)
        if self._observe is not None:
            await self._observe(new)
        if not plan.assets:
            plan.offered.add(new)
        for one in entries:
            if isinstance(one, Flaw):
                plan.flaws.append(one)
                plan.listing.add_flaw(one)
        meter.listed, meter.selected = plan.items, plan.assets

    def _add(self, owner: Item | Collection) -> None:
        plan = self._plan
        item, collection = (owner.id, owner.collection) if isinstance(owner, Item) else ("", owner.id)
        assets = stac.outlines_of(owner)
        wants = self._wants_of(owner)
        selected = assets
        if wants is not stac.any_asset:
            selected = [one for one in assets if wants(one, owner.body)]
        plan.filtered += len(assets) - len(selected)
        if owner.directories:
            from ...stac.listing.directories import with_member_outlines

            selected = with_member_outlines(selected, owner.directories)
            self._note_directories(owner)
        plan.items += bool(item)
        plan.items_of[collection] += bool(item)
        if self._remembers_assets:
            plan.listed_ids.add(listed_id(collection, item, asset.key) for asset in selected)
        plan.assets += len(selected)
        plan.by_collection[collection] += len(selected)
        sizes = [asset.size for asset in selected]
        known = [size for size in sizes if size is not None]
        plan.known_bytes += sum(known)
        plan.unknown_sizes += len(sizes) - len(known)
        self._count_urls(owner, selected, [size or 0 for size in sizes])
        self._save_owner(owner)

    def _note_directories(self, owner: Item | Collection) -> None:
        """Those whose files are not known: a mirror refuses them."""
        for key, one in owner.directories.items():
            self._plan.listing.unlisted_directories += not one.members
            if one.error is not None:
                where = (owner.collection, owner.id) if isinstance(owner, Item) else (owner.id, "")
                name = "/".join(filter(None, (*where, key)))
                self._plan.flaws.append(Flaw(name, one.error, owner=(*where, key), concern=Concern.MIRROR))

    def _count_urls(
        self, owner: Item | Collection, selected: Sequence[stac.AssetOutline], sizes: Sequence[int]
    ) -> None:
        base = owner.href
        urls = [file_url(one.href, base) for one in selected]
        self._urls.add(urls, sizes)
        if self.frame is not None:
            collection = owner.collection if isinstance(owner, Item) else owner.id
            for url, one in zip(urls, selected, strict=True):
                self.frame.add(url, collection, one, partial(_whole, owner, one, url))

    def finish(self) -> None:
        """Note what is known at the end of the listing."""
        self._plan.urls, self._plan.url_bytes = self._urls.totals()


def _whole(owner: Item | Collection, outline: stac.AssetOutline, url: str) -> Asset:
    """The asset of an outline."""
    assets = stac.assets_of(owner) if isinstance(owner, Item) else stac.collection_assets(owner)
    here = (owner.id, owner.collection) if isinstance(owner, Item) else ("", owner.id)
    found = (asset for asset in assets if asset.key == outline.key)
    return next(found, Asset(url, outline.key, *here, outline.media_type))


def file_url(href: str, base: str) -> str:
    """The same text for hrefs of one file."""
    url = href if href.startswith("http") else stac.resolve(href, base)
    try:
        return canonical(url)
    except MlhubError:
        return url  # it is told when it is to be fetched


def _id_of(owner: Item | Collection) -> int:
    return listed_id(owner.collection, owner.id) if isinstance(owner, Item) else listed_id(owner.id, "")
