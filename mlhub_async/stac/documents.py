"""What a JSON document of a catalogue is: one classifier for everything that is met at a link."""

from __future__ import annotations

import enum
from typing import Any

from ..core import urls
from ..core.model import JsonObject
from .links import UNSTATED, has_relation, links_of, listed_links, media_rank, relations

MAX_SHOWN = 5
"""Members of an unknown document that are named."""


class DocumentKind(enum.Enum):
    """What a document is. Its own structure says so: the relations of links are often wrong."""

    CATALOG = "Catalog"
    COLLECTION = "Collection"
    ITEM = "Item"
    FEATURES = "FeatureCollection"
    """several items: a file, or a page of a listing"""
    LANDING_PAGE = "landing page of a STAC API"
    COLLECTIONS = "list of collections"
    NONE = "no STAC"


_BY_TYPE = {
    "catalog": DocumentKind.CATALOG,
    "collection": DocumentKind.COLLECTION,
    "feature": DocumentKind.ITEM,
    "item": DocumentKind.ITEM,
    "featurecollection": DocumentKind.FEATURES,
}
_GEOMETRIES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)
_CATALOGUE_FIELDS = ("links", "description", "extent", "license", "title", "stac_version", "summaries")
_ITEM_FIELDS = ("assets", "stac_version", "links", "collection", "stac_extensions")
_DOWN = frozenset({"child", "item", "items"})
_STRUCTURAL_RELS = _DOWN | {"self", "root", "parent"}
_ERRORS = ("error", "errors", "exception", "exceptions", "fault")
_CODES = ("code", "status", "statusCode", "status_code", "httpStatus")
_MESSAGES = ("message", "detail", "details", "description", "title", "msg")


def kind_of(body: Any) -> DocumentKind:
    """The kind of a document. One that only tells of an error is none, however it was answered."""
    if isinstance(body, list):
        return _kind_of_list(body)
    if not isinstance(body, dict):
        return DocumentKind.NONE
    stated = body.get("type")
    kind = _BY_TYPE.get(stated.lower()) if isinstance(stated, str) else None
    if kind is DocumentKind.ITEM:
        return kind if is_item(body) else DocumentKind.NONE
    if kind is DocumentKind.FEATURES:
        return DocumentKind.NONE if _is_no_list_of_items(body) else kind
    if kind is not DocumentKind.COLLECTION and _is_landing_page(body):
        return DocumentKind.LANDING_PAGE
    if kind is not None:
        return kind if _is_described(body) else DocumentKind.NONE
    if isinstance(stated, str) and "stac_version" not in body:
        return DocumentKind.NONE
    return _kind_by_structure(body)


def is_item(body: JsonObject) -> bool:
    """Whether an object is an item: a Feature of STAC, or what older versions wrote without that type."""
    stated = body.get("type")
    if stated in ("Feature", "Item"):
        return any(name in body for name in _ITEM_FIELDS) or _has_time(body)
    if isinstance(stated, str) and _BY_TYPE.get(stated.lower(), DocumentKind.ITEM) is not DocumentKind.ITEM:
        return False
    if not _has_id(body) or _is_error(body) or "extent" in body or "conformsTo" in body:
        return False
    found = (
        isinstance(body.get("geometry", 0), dict | None),
        isinstance(body.get("properties"), dict),
        isinstance(body.get("assets"), dict | list),
        isinstance(body.get("bbox"), list),
    )
    return sum(found) > 1 or (found[2] and not any(name in body for name in ("description", "license")))


def looks_like(body: Any) -> str:
    """What a document that is no STAC is instead, for people. It names members and quotes no values."""
    if isinstance(body, list):
        return "a list" if body else "an empty list"
    if not isinstance(body, dict):
        return "null" if body is None else f"only a {'text' if isinstance(body, str) else 'single value'}"
    stated = body.get("type")
    if stated in _GEOMETRIES:
        return f"a GeoJSON geometry ({stated})"
    if stated in ("Feature", "FeatureCollection") and not _is_error(body):
        return f"a GeoJSON {stated} without the ids and members of STAC items"
    names = ", ".join(urls.term_safe(str(name), 40) for name in list(body)[:MAX_SHOWN])
    more = ", …" if len(body) > MAX_SHOWN else ""
    if _is_error(body):
        return f"an error message (members: {names}{more})"
    return f"an object with the members {names}{more}" if body else "an empty object"


def records_member(body: JsonObject) -> str:
    """The member that holds the records of a list of collections."""
    return "collections" if isinstance(body.get("collections"), list) else "children"


def has_records(body: Any) -> bool:
    """Whether a list of collections has any."""
    return bool(body[records_member(body)] if isinstance(body, dict) else body)


def has_links_to_items(body: JsonObject) -> bool:
    """Whether a Catalog or Collection links to anything that a crawl would follow."""
    return any(has_relation(link, _DOWN) for link in listed_links(body))


def _kind_of_list(listed: list[Any]) -> DocumentKind:
    """Arrays of items, as jq writes them, and of collections, as old APIs wrote them."""
    if listed and all(isinstance(one, dict) for one in listed):
        if all(_has_id(one) and is_item(one) for one in listed):
            return DocumentKind.FEATURES
        if all(kind_of(one) is DocumentKind.COLLECTION for one in listed):
            return DocumentKind.COLLECTIONS
    return DocumentKind.NONE


def _kind_by_structure(body: JsonObject) -> DocumentKind:
    """Documents without a type: Collections before STAC 1.0, items and catalogues of any age."""
    if isinstance(body.get("features"), list) and not _is_error(body):
        return DocumentKind.NONE if _is_no_list_of_items(body) else DocumentKind.FEATURES
    if _is_error(body):
        return DocumentKind.NONE
    if "extent" in body and ("license" in body or (_has_id(body) and "links" in body)):
        return DocumentKind.COLLECTION
    if is_item(body):
        return DocumentKind.ITEM
    if _is_untyped_catalogue(body):
        return DocumentKind.CATALOG
    if any(isinstance(body.get(name), list) for name in ("collections", "children")):
        return DocumentKind.COLLECTIONS
    return DocumentKind.NONE


def _is_no_list_of_items(body: JsonObject) -> bool:
    """GeoJSON whose features have no ids is data, and an empty page that tells of an error is an error."""
    features = body.get("features")
    if not features:
        return any(body.get(name) for name in _ERRORS)
    return isinstance(features, list) and not any(isinstance(one, dict) and "id" in one for one in features)


def _is_landing_page(body: JsonObject) -> bool:
    """It names its search or its collections; or it declares conformance and links to nothing below it.

    A static catalogue may have a `data` link to any file: beside links to children it has to lead to
    /collections, or conformance has to be declared.
    """
    conforms = isinstance(body.get("conformsTo"), list)
    below = any(next(links_of(body, rel), None) for rel in _DOWN)
    if any(media_rank(link) <= UNSTATED for link in links_of(body, "search")):
        return True
    data = [link["href"] for link in links_of(body, "data") if media_rank(link) <= UNSTATED]
    if data and (conforms or not below):
        return True
    if any(href.partition("?")[0].rstrip("/").endswith("/collections") for href in data):
        return True
    return conforms and not below and any(name in body for name in ("links", "id", "description"))


def _is_described(body: JsonObject) -> bool:
    """Whether a typed Catalog or Collection says more than its type: it has links, or an id and a text."""
    links = body.get("links")
    if links is not None and not isinstance(links, list | dict):
        return False
    return bool(listed_links(body)) or (_has_id(body) and any(name in body for name in _CATALOGUE_FIELDS))


def _is_untyped_catalogue(body: JsonObject) -> bool:
    if not (_has_id(body) or isinstance(body.get("name"), str)) or "links" not in body:
        return False
    if not isinstance(body["links"], list | dict):
        return False
    rels = {rel for link in listed_links(body) for rel in relations(link)}
    return "stac_version" in body or isinstance(body.get("description"), str) or bool(rels & _STRUCTURAL_RELS)


def _is_error(body: JsonObject) -> bool:
    if "stac_version" in body:
        return False
    if any(body.get(name) for name in _ERRORS):
        return True
    return any(name in body for name in _CODES) and any(name in body for name in _MESSAGES)


def _has_id(body: JsonObject) -> bool:
    name = body.get("id")
    return bool(name) and isinstance(name, str | int) and not isinstance(name, bool)


def _has_time(body: JsonObject) -> bool:
    properties = body.get("properties")
    return isinstance(properties, dict) and any(name in properties for name in ("datetime", "start_datetime"))
