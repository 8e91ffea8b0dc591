"""STAC as servers write it: pages, items, assets, links, and filters by a selection."""

from .conditions.names import CollectionChoice, has_globs
from .conditions.query import query_for_server
from .datetimes import interval_for_server, interval_text, parse_instant, parse_interval, time_span
from .documents import (
    DocumentKind,
    has_links_to_items,
    has_records,
    is_item,
    kind_of,
    looks_like,
    records_member,
)
from .links import (
    IS_JSON,
    IS_OTHER,
    MAY_BE_JSON,
    UNSTATED,
    is_table_or_lines,
    json_links,
    links_of,
    media_rank,
    resolve,
    resolve_trusted,
)
from .listing.page_size import limit_of, post_request
from .listing.paging import ListingPage, access_error, has_no_records, matched_of, pages
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
from .selection import AssetLike, any_asset, asset_filter, geometry_of, item_filter

__all__ = [
    "IS_JSON",
    "IS_OTHER",
    "MAY_BE_JSON",
    "UNSTATED",
    "AssetLike",
    "AssetOutline",
    "CollectionChoice",
    "DocumentKind",
    "ListingPage",
    "access_error",
    "any_asset",
    "asset_filter",
    "assets_of",
    "collection_assets",
    "collection_of",
    "geometry_of",
    "has_globs",
    "has_links_to_items",
    "has_no_records",
    "has_records",
    "interval_for_server",
    "interval_text",
    "is_item",
    "is_label",
    "is_table_or_lines",
    "item_filter",
    "item_of",
    "items_of",
    "json_links",
    "kind_of",
    "limit_of",
    "links_of",
    "looks_like",
    "matched_of",
    "media_rank",
    "outlines_of",
    "pages",
    "parse_instant",
    "parse_interval",
    "post_request",
    "query_for_server",
    "records_member",
    "resolve",
    "resolve_trusted",
    "source_links",
    "time_span",
]
