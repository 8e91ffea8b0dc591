"""Hides STAC's many dialects: everything else sees pages, items, assets and yes-or-no questions."""

from .datetimes import for_server as datetime_for_server
from .datetimes import hull, instant, interval, written
from .links import followed, links_of, resolved
from .objects import (
    Outline,
    assets_of,
    collection_assets,
    collection_of,
    is_label,
    item_of,
    items_of,
    outlines,
    source_links,
)
from .paging import PageOf, matched_of, pages, post, refused
from .selection import Outlined, admits, everything, geometry_of, wants

__all__ = [
    "Outline",
    "Outlined",
    "PageOf",
    "admits",
    "assets_of",
    "collection_assets",
    "collection_of",
    "datetime_for_server",
    "everything",
    "followed",
    "geometry_of",
    "hull",
    "instant",
    "interval",
    "is_label",
    "item_of",
    "items_of",
    "links_of",
    "matched_of",
    "outlines",
    "pages",
    "post",
    "refused",
    "resolved",
    "source_links",
    "wants",
    "written",
]
