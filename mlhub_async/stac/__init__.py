"""STAC as servers write it: pages, items, assets, links, and filters by a selection."""

from .datetimes import interval_for_server, interval_text, parse_instant, parse_interval, time_span
from .links import links_of, resolve, resolve_trusted
from .objects import (
    AssetOutline,
    assets_of,
    collection_assets,
    collection_of,
    is_label,
    item_of,
    items_of,
    outlines_of,
    source_links,
)
from .paging import ListingPage, access_error, matched_of, pages, post_request
from .selection import AssetLike, any_asset, asset_filter, geometry_of, item_filter

__all__ = [
    "AssetLike",
    "AssetOutline",
    "ListingPage",
    "access_error",
    "any_asset",
    "asset_filter",
    "assets_of",
    "collection_assets",
    "collection_of",
    "geometry_of",
    "interval_for_server",
    "interval_text",
    "is_label",
    "item_filter",
    "item_of",
    "items_of",
    "links_of",
    "matched_of",
    "outlines_of",
    "pages",
    "parse_instant",
    "parse_interval",
    "post_request",
    "resolve",
    "resolve_trusted",
    "source_links",
    "time_span",
]
