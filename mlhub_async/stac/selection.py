"""Filters of items and assets by a selection, with the meaning that STAC API servers give it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Protocol

from ..core.model import Collection, Item, JsonObject
from ..core.options import Selection
from .conditions.names import CollectionChoice
from .objects import is_item_list

Test = Callable[[JsonObject], bool]
"""Whether the body of an item meets a condition."""


class AssetLike(Protocol):
    """The part of an asset that decides whether it is wanted; `size` is in bytes."""

    @property
    def key(self) -> str: ...

    @property
    def media_type(self) -> str | None: ...

    @property
    def size(self) -> int | None: ...


AssetFilter = Callable[[AssetLike, JsonObject], bool]
"""Whether an asset is wanted; the second argument is the body of its item or collection."""


def item_filter(selection: Selection, *, served: frozenset[str] = frozenset()) -> Callable[[Item], bool]:
    """A test whether an item is selected. `served`: {"filter"} where the server has evaluated that.

    All other conditions are evaluated, by whomever else they were before. One that cannot be raises
    `UsageError`.
    """
    collections, ids = CollectionChoice(selection.collections), frozenset(selection.ids)
    tests = list(_tests(selection, served))

    def admitted(item: Item) -> bool:
        if (ids and item.id not in ids) or not collections.admits(item.collection):
            return False
        return all(test(item.body) for test in tests)

    return admitted


def asset_filter(selection: Selection) -> AssetFilter:
    """A test whether an asset is selected; `any_asset` itself where every asset is.

    An asset without a declared size passes a condition on size; one without a declared media type fails a
    condition on media type.
    """
    matches_key = _key_filter(selection.include, selection.exclude)
    types = tuple(_media_type_prefix(one) for one in selection.media_types)
    roles = frozenset(selection.roles)
    low, high = selection.min_size, selection.max_size
    if not (selection.include or selection.exclude or types or roles) and low is None and high is None:
        return any_asset

    def wanted(asset: AssetLike, owner: JsonObject) -> bool:
        if not matches_key(asset.key, owner) or (roles and not _has_role(roles, owner, asset.key)):
            return False
        if types and not _media_type_prefix(asset.media_type or "").startswith(types):
            return False
        size = asset.size
        return size is None or ((low is None or size >= low) and (high is None or size <= high))

    return wanted


def asset_filters(selection: Selection) -> Callable[[Item | Collection], AssetFilter]:
    """Gives the filter of assets for an owner: followed source imagery may have one of its own."""
    ordinary = of_sources = asset_filter(selection)
    if selection.source_include or selection.source_exclude:
        of_sources = asset_filter(selection.of_sources())

    def filter_of(owner: Item | Collection) -> AssetFilter:
        chosen = of_sources if owner.followed else ordinary
        return chosen if isinstance(owner, Item) else _without_item_lists(owner, chosen)

    return filter_of


def _without_item_lists(collection: Collection, wants: AssetFilter) -> AssetFilter:
    """The filter of a collection's own assets: its items as a table are in the mirror already."""
    assets = collection.body.get("assets")
    lists = {key for key, one in assets.items() if is_item_list(one)} if isinstance(assets, dict) else ()
    return (lambda asset, body: asset.key not in lists and wants(asset, body)) if lists else wants


def any_asset(asset: AssetLike, owner: JsonObject) -> bool:
    """The filter that every asset passes: it need not be called."""
    return True


def _tests(selection: Selection, served: frozenset[str]) -> Iterator[Test]:
    """The conditions of a selection, cheap ones first."""
    if selection.datetime is not None:
        from . import datetimes

        bounds = datetimes.parse_interval(selection.datetime)
        yield lambda body: datetimes.is_within(_properties(body), bounds)
    if selection.bbox is not None:
        from .conditions import geometry
        from .conditions.boxes import parse_box

        yield geometry.touches_box(parse_box(selection.bbox))
    if selection.query is not None:
        from .conditions.query import matches_query

        yield matches_query(selection.query)
    if selection.classes:
        from .conditions.classes import shows_any

        yield shows_any(selection.classes)
    if selection.intersects is not None:
        from .conditions import geometry

        yield geometry.meets_geometry(geometry_of(selection.intersects))
    if selection.filter is not None and "filter" not in served:
        from .conditions import cql2

        yield cql2.cql2_test(selection.filter)


def geometry_of(given: JsonObject) -> JsonObject:
    """The geometry of a GeoJSON Feature or FeatureCollection; anything else is a geometry itself."""
    listed = given.get("features")
    if given.get("type") == "FeatureCollection" and isinstance(listed, list):
        shapes = [one["geometry"] for one in listed if isinstance(one, dict) and one.get("geometry")]
        return shapes[0] if len(shapes) == 1 else {"type": "GeometryCollection", "geometries": shapes}
    inner = given.get("geometry")
    return inner if given.get("type") == "Feature" and isinstance(inner, dict) else given


def server_shape(given: JsonObject) -> JsonObject:
    """The geometry of `--intersects` as a server is asked for it. Raises `UsageError` for what is none."""
    from .conditions import geometry

    return geometry.cut_geometry(geometry_of(given))


def server_misreads(expression: Any) -> bool:
    """Whether a filter has a part that servers read otherwise than it is meant."""
    from .conditions import cql2

    return cql2.is_misread(expression)


def _properties(body: JsonObject) -> JsonObject:
    found = body.get("properties")
    return found if isinstance(found, dict) else {}


def _key_filter(include: tuple[str, ...], exclude: tuple[str, ...]) -> Callable[[str, JsonObject], bool]:
    """By globs of keys. One with a slash may also match the id of the collection, a slash and the key."""
    if not include and not exclude:
        return lambda _key, _owner: True
    is_included, is_excluded = _any_glob(include or ("*",)), _any_glob(exclude)

    @lru_cache(maxsize=4096)
    def matches(key: str, collection: str) -> bool:
        return is_included(key, collection) and not is_excluded(key, collection)

    if not any("/" in glob for glob in (*include, *exclude)):
        return lambda key, _owner: matches(key, "")
    return lambda key, owner: matches(key, _collection_id(owner))


def _any_glob(patterns: tuple[str, ...]) -> Callable[[str, str], bool]:
    plain, qualified = _globs(patterns), _globs(tuple(one for one in patterns if "/" in one))

    def matches(key: str, collection: str) -> bool:
        return bool(plain.fullmatch(key) or qualified.fullmatch(f"{collection}/{key}"))

    return matches


def _collection_id(owner: JsonObject) -> str:
    """The id of the collection that an item is of, or that a collection has itself."""
    found = owner.get("collection" if owner.get("type") == "Feature" else "id")
    return found if isinstance(found, str) else ""


def _globs(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")


@lru_cache(maxsize=1024)
def _media_type_prefix(media_type: str) -> str:
    """The media type without parameters and without a wildcard at its end, in lower case."""
    return media_type.partition(";")[0].strip().lower().removesuffix("*")


def _has_role(wanted: frozenset[str], owner: JsonObject, key: str) -> bool:
    assets = owner.get("assets")
    raw = assets.get(key) if isinstance(assets, dict) else None
    roles = raw.get("roles") if isinstance(raw, dict) else None
    return isinstance(roles, list) and any(role in wanted for role in roles if isinstance(role, str))
