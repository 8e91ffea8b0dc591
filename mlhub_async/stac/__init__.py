"""STAC as servers write it: pages, items, assets, links, and filters by a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import lazy_exports

if TYPE_CHECKING:
    from .conditions.boxes import parse_box as parse_box
    from .conditions.names import CollectionChoice as CollectionChoice
    from .conditions.names import has_globs as has_globs
    from .conditions.query import query_for_server as query_for_server
    from .datetimes import interval_for_server as interval_for_server
    from .datetimes import interval_text as interval_text
    from .datetimes import normal_interval as normal_interval
    from .datetimes import parse_instant as parse_instant
    from .datetimes import parse_interval as parse_interval
    from .datetimes import time_span as time_span
    from .documents import DocumentKind as DocumentKind
    from .documents import has_links_to_items as has_links_to_items
    from .documents import has_records as has_records
    from .documents import is_item as is_item
    from .documents import kind_of as kind_of
    from .documents import looks_like as looks_like
    from .documents import records_member as records_member
    from .links import IS_JSON as IS_JSON
    from .links import IS_OTHER as IS_OTHER
    from .links import MAY_BE_JSON as MAY_BE_JSON
    from .links import UNSTATED as UNSTATED
    from .links import has_relation as has_relation
    from .links import is_table_or_lines as is_table_or_lines
    from .links import json_links as json_links
    from .links import links_of as links_of
    from .links import media_rank as media_rank
    from .links import relations as relations
    from .links import resolve as resolve
    from .links import resolve_trusted as resolve_trusted
    from .listing.page_size import limit_of as limit_of
    from .listing.page_size import post_request as post_request
    from .listing.paging import REFUSED as REFUSED
    from .listing.paging import ListingPage as ListingPage
    from .listing.paging import access_error as access_error
    from .listing.paging import has_no_records as has_no_records
    from .listing.paging import matched_of as matched_of
    from .listing.paging import pages as pages
    from .objects import AssetOutline as AssetOutline
    from .objects import assets_of as assets_of
    from .objects import collection_assets as collection_assets
    from .objects import collection_of as collection_of
    from .objects import is_item_list as is_item_list
    from .objects import is_label as is_label
    from .objects import item_of as item_of
    from .objects import items_of as items_of
    from .objects import outlines_of as outlines_of
    from .objects import source_links as source_links
    from .related import addresses_of as addresses_of
    from .related import source_addresses as source_addresses
    from .related import targets_of as targets_of
    from .selection import AssetFilter as AssetFilter
    from .selection import AssetLike as AssetLike
    from .selection import any_asset as any_asset
    from .selection import asset_filter as asset_filter
    from .selection import asset_filters as asset_filters
    from .selection import geometry_of as geometry_of
    from .selection import item_filter as item_filter
    from .selection import server_misreads as server_misreads
    from .selection import server_shape as server_shape
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "conditions.boxes": "parse_box",
            "conditions.names": "CollectionChoice has_globs",
            "conditions.query": "query_for_server",
            "datetimes": "interval_for_server interval_text normal_interval parse_instant parse_interval"
            " time_span",
            "documents": "DocumentKind has_links_to_items has_records is_item kind_of looks_like"
            " records_member",
            "links": "IS_JSON IS_OTHER MAY_BE_JSON UNSTATED has_relation is_table_or_lines json_links"
            " links_of media_rank relations resolve resolve_trusted",
            "listing.page_size": "limit_of post_request",
            "listing.paging": "ListingPage REFUSED access_error has_no_records matched_of pages",
            "objects": "AssetOutline assets_of collection_assets collection_of is_item_list is_label item_of"
            " items_of outlines_of source_links",
            "related": "addresses_of source_addresses targets_of",
            "selection": "AssetFilter AssetLike any_asset asset_filter asset_filters geometry_of item_filter"
            " server_misreads server_shape",
        },
    )
