"""What a complete listing leaves for the next run: how many items, and the newest time of an update."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from .... import __version__
from ....core.json_text import dumps
from ....core.model import Entry, Item
from ....core.options import Options
from ....stac.datetimes import parse_instant
from ....storage.layout import LISTING_FILE
from ...report.rates import Numbers
from ...report.receipt import Report

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UPDATED = "updated"
"""The property of an item that says when its metadata changed (STAC common metadata)."""


class Files(Numbers, Protocol):
    """DEST, as far as a memory needs it."""

    root: Path

    def is_unchanged(self, path: str, size: int, mtime_ns: int) -> bool: ...


class ListingMemory(NamedTuple):
    """Of one complete listing, and the runs since that listed less.

    `key` stands for source, selection and all that decides what becomes of an item. `newest` is in
    microseconds since 1970; 0: of items without such times. `version`: see `ListedVersion`. `documents`: 1 if
    it was of a static catalogue whose documents are known.
    """

    key: int
    run: int
    items: int
    runs: int
    """that have used it, the full one included"""
    newest: int = 0
    version: int = 0
    documents: int = 0

    @property
    def newest_time(self) -> datetime:
        return EPOCH + self.newest * MICROSECOND


def load_memory(store: Numbers) -> ListingMemory | None:
    """None if there is none."""
    found = store.load_numbers(LISTING_FILE)
    try:
        return ListingMemory(**{name: found[name] for name in ListingMemory._fields if name in found})
    except TypeError:
        return None


def save_memory(store: Numbers, memory: ListingMemory | None) -> None:
    """Keep it for the next run; None: that one has to list all."""
    store.save_numbers(LISTING_FILE, {} if memory is None else memory._asdict())


def key_of(report: Report, options: Options, base: str) -> int:
    """A number for everything that decides what a listing leads to. `base`: DEST."""
    item_options = (options.template, options.asset_hrefs, options.enrich, options.if_exists, options.verify)
    text = dumps([__version__, report.source, report.selection, base, *item_options])
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big") | 1


def reason_against(options: Options) -> str:
    """Why every listing has to be a full one with these options; "" if it need not be."""
    reasons = {
        "--prune needs a full listing": options.prune,
        "--if-exists and --verify look at every file": options.if_exists != "resume"
        or options.verify not in ("auto", "size"),
        "--shard, --index, --croissant and --ro-crate need all items": bool(
            options.shard or options.index or options.croissant or options.ro_crate
        ),
        "--subset is for listings of another kind": options.selection.subset is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def reason_against_changes(options: Options) -> str:
    """Why an API cannot be asked for changes only with these options; "" if it can."""
    selection = options.selection
    has_globs = any(set("*?[") & set(name) for name in selection.collections)
    reasons = {
        "it needs -c with the ids of collections": not selection.collections or has_globs,
        "--filter and --query leave no place for another condition": selection.filter is not None
        or selection.query is not None,
        "--ids, --max-items and --split are for listings of another kind": bool(selection.ids)
        or selection.max_items is not None
        or selection.split > 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


@dataclass(slots=True)
class UpdateTimes:
    """The newest `updated` of the items of a listing, and whether every item has one.

    `open`: items with files that may change while the item does not, as those of Zarr stores, and items that
    others link to.
    """

    newest: int = 0
    lacking: int = 0
    items: int = 0
    open: int = 0

    def add(self, entries: Sequence[Entry]) -> None:
        for one in entries:
            if isinstance(one, Item):
                self.items += 1
                self.open += bool(one.directories) or one.followed
                properties = one.body.get("properties")
                value = properties.get(UPDATED) if isinstance(properties, dict) else None
                moment = parse_instant(value)
                if moment is None:
                    self.lacking += 1
                else:
                    self.newest = max(self.newest, (moment - EPOCH) // MICROSECOND)


def changes_since(moment: datetime, options: Options) -> Options:
    """The options of a listing of what was updated from this moment on."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    selection = replace(options.selection, filter=f"{UPDATED} >= TIMESTAMP('{text}')")
    return replace(options, selection=selection)
