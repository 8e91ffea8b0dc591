"""A selection that nothing matched: when a run ends that way, and what the catalogue has instead."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.model import Collection, Item, JsonObject
from ...core.options import ASSET_CONDITIONS, ITEM_CONDITIONS
from ...core.urls import term_safe

MAX_NAMED = 5
"""Collections that are described."""
MAX_KEYS = 20
"""Asset keys that are named."""


def matches_nothing(selection: Mapping[str, Any], *, items: int, selected: int, filtered: int) -> bool:
    """Whether a complete listing gave nothing for a selection, given by its fields that are no defaults.

    `selected` and `filtered` count the assets of the `items` that were listed. A catalogue that is empty
    without any condition is no such case, nor are items that have no assets at all.
    """
    if selected:
        return False
    if any(name in selection for name in ASSET_CONDITIONS) and (filtered or not items):
        return True
    return not items and any(name in selection for name in ITEM_CONDITIONS)


@dataclass(slots=True)
class Offered:
    """What the catalogue has, noted while nothing of it is selected."""

    collections: dict[str, str] = field(default_factory=dict)
    """extents of the first collections, by id"""
    keys: dict[str, None] = field(default_factory=dict)
    """keys of the first assets"""
    more_collections: int = 0

    def add(self, owners: Sequence[Item | Collection]) -> None:
        """Note a batch of the listing."""
        for owner in owners:
            if isinstance(owner, Collection) and owner.id not in self.collections:
                if len(self.collections) < MAX_NAMED:
                    self.collections[owner.id] = _extent_text(owner.body)
                else:
                    self.more_collections += 1
            assets = owner.body.get("assets")
            if isinstance(assets, dict) and len(self.keys) < MAX_KEYS:
                self.keys.update(dict.fromkeys(list(assets)[: MAX_KEYS - len(self.keys)]))

    def lines(self, source: str, items: int, filtered: int, returned: int) -> Iterator[str]:
        """Sentences for people, safe for a terminal. `returned`: the records that came, selected or not."""
        if filtered:
            yield f"nothing matches the selection: none of {filtered} assets of {items} items is selected"
            yield f"there are assets with the keys {_listed(self.keys)}"
            return
        came = f"{returned} items were listed, none is selected" if returned else "no items were listed"
        yield f"nothing matches the selection: {came}"
        yield f"'mlhub-async ls {term_safe(source)}' lists what there is"
        for name, extent in self.collections.items():
            yield f"there is the collection {term_safe(name)}{extent}"
        if self.more_collections:
            yield f"and {self.more_collections} more collections"


def _listed(keys: Some[str]) -> str:
    return ", ".join(map(term_safe, keys)) + (", ..." if len(keys) >= MAX_KEYS else "")


def _extent_text(body: JsonObject) -> str:
    """The extent that a collection declares; "" for one that is none."""
    extent = body.get("extent")
    extent = extent if isinstance(extent, dict) else {}
    times = _first_of(extent.get("temporal"), "interval")
    box = _first_of(extent.get("spatial"), "bbox")
    found = f", of {term_safe(times[0] or '..')} to {term_safe(times[1] or '..')}" if len(times) == 2 else ""
    return found + (f", in {term_safe(' '.join(map(str, box)))}" if box else "")


def _first_of(holder: Any, name: str) -> list[Any]:
    listed = holder.get(name) if isinstance(holder, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, list) else []
