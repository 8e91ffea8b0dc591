"""A selection that nothing matched: when a run ends that way, and what the catalogue has instead."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ...core.model import Collection, Item, JsonObject
from ...core.options import ASSET_CONDITIONS, ITEM_CONDITIONS
from ...core.telemetry import human_size
from ...core.urls import term_safe

MAX_NAMED = 5
"""Collections that are described."""
MAX_KEYS = 20
"""Asset keys, roles and media types that are named."""
MAX_ASSETS = 1000
"""Assets that are looked at."""


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


@dataclass(slots=True, eq=False, repr=False)
class Offered:
    """What the catalogue has, noted while nothing of it is selected."""

    collections: dict[str, str] = field(default_factory=dict)
    """extents of the first collections, by id"""
    boxes: list[list[Any]] = field(default_factory=list)
    """of the first collections"""
    keys: dict[str, None] = field(default_factory=dict)
    """keys of the first assets"""
    roles: dict[str, None] = field(default_factory=dict)
    media_types: dict[str, None] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    assets: int = 0
    more_collections: int = 0

    def add(self, owners: Sequence[Item | Collection]) -> None:
        """Note a batch of the listing."""
        for owner in owners:
            if isinstance(owner, Collection) and owner.id not in self.collections:
                if len(self.collections) < MAX_NAMED:
                    self.collections[owner.id] = _extent_text(owner.body)
                    self.boxes += _boxes(owner.body)
                else:
                    self.more_collections += 1
            assets = owner.body.get("assets")
            if isinstance(assets, dict) and self.assets < MAX_ASSETS:
                for key, about in assets.items():
                    self._add_asset(key, about if isinstance(about, dict) else {})

    def _add_asset(self, key: str, about: JsonObject) -> None:
        self.assets += 1
        roles, media_type, size = about.get("roles"), about.get("type"), about.get("file:size")
        _note(self.keys, [key])
        _note(self.roles, [one for one in roles if isinstance(one, str)] if isinstance(roles, list) else [])
        _note(self.media_types, [media_type] if isinstance(media_type, str) else [])
        self.sizes += [size] if type(size) is int else []

    def lines(
        self, selection: Mapping[str, Any], source: str, items: int, filtered: int, returned: int
    ) -> Iterator[str]:
        """Sentences for people, safe for a terminal. `returned`: the records that came, selected or not."""
        if filtered:
            yield f"nothing matches the selection: none of {filtered} assets of {items} items is selected"
            yield from self._asset_lines(selection)
            return
        came = f"{returned} items were listed, none is selected" if returned else "no items were listed"
        yield f"nothing matches the selection: {came}"
        from .swapped_box import box_hint

        yield from box_hint(selection, self.boxes)
        yield f"'mlhub-async ls {term_safe(source)}' lists what there is"
        for name, extent in self.collections.items():
            yield f"there is the collection {term_safe(name)}{extent}"
        if self.more_collections:
            yield f"and {self.more_collections} more collections"

    def _asset_lines(self, selection: Mapping[str, Any]) -> Iterator[str]:
        """For each condition on assets what does not match it, or all that was asked where each has some."""
        lines = [*self._about_keys(selection), *self._about_kinds(selection), *self._about_sizes(selection)]
        yield from lines or [
            "no asset meets all conditions on assets together",
            f"keys here: {_listed(self.keys)}",
        ]

    def _about_keys(self, selection: Mapping[str, Any]) -> Iterator[str]:
        include, exclude = selection.get("include", ()), selection.get("exclude", ())
        included = [key for key in self.keys if not include or _any_match(key, include)]
        if not included:
            yield f"no asset key matches {_quoted(include)}; keys here: {_listed(self.keys)}"
        elif all(_any_match(key, exclude) for key in included):
            yield f"-x {_quoted(exclude)} leaves no asset; keys here: {_listed(self.keys)}"

    def _about_kinds(self, selection: Mapping[str, Any]) -> Iterator[str]:
        roles, types = selection.get("roles", ()), selection.get("media_types", ())
        if roles and not set(roles) & set(self.roles):
            yield f"no asset has the role {_quoted(roles)}; roles here: {_listed(self.roles) or 'none'}"
        prefixes = tuple(one.partition(";")[0].strip().lower().removesuffix("*") for one in types)
        if types and not any(one.strip().lower().startswith(prefixes) for one in self.media_types):
            there = _listed(self.media_types) or "none"
            yield f"no asset has the media type {_quoted(types)}; media types here: {there}"

    def _about_sizes(self, selection: Mapping[str, Any]) -> Iterator[str]:
        low, high = selection.get("min_size"), selection.get("max_size")
        if (low is None and high is None) or not self.sizes:
            return
        if not any((low or 0) <= one and (high is None or one <= high) for one in self.sizes):
            least, most = human_size(min(self.sizes)), human_size(max(self.sizes))
            yield f"no asset has such a file:size; sizes here: {least} to {most}"


def _note(known: dict[str, None], names: Sequence[str]) -> None:
    for name in names:
        if len(known) < MAX_KEYS:
            known[name] = None


def _any_match(key: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(key, one) for one in globs)


def _quoted(names: Sequence[str]) -> str:
    return " or ".join(f"'{term_safe(name)}'" for name in names)


def _listed(names: Some[str]) -> str:
    return ", ".join(map(term_safe, names)) + (", ..." if len(names) >= MAX_KEYS else "")


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


def _boxes(body: JsonObject) -> list[list[Any]]:
    """The boxes of the extent that a collection declares."""
    extent = body.get("extent")
    spatial = extent.get("spatial") if isinstance(extent, dict) else None
    listed = spatial.get("bbox") if isinstance(spatial, dict) else None
    return [one for one in listed if isinstance(one, list)] if isinstance(listed, list) else []
