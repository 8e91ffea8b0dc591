"""Hides where a STAC API takes requests and how a selection is put to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from ... import stac
from ...core.errors import MlhubError, SourceError
from ...core.model import JsonObject, Request
from ...core.options import Selection

PAGE_SIZE = 100
SMALLEST_PAGE = 10
IDS_BY_GET = 50
IDS_BY_POST = 1000
_FOR_ITEMS = ("limit", "bbox", "datetime")


class Endpoints:
    """The places of one API: as its landing page says, else as the STAC API specification has them.

    Raises `SourceError` if the landing page points to another origin that is not in `allow_origins`.
    """

    def __init__(self, root: str, landing: JsonObject, allow_origins: Collection[str] = frozenset()) -> None:
        self.root = root.partition("?")[0].partition("#")[0].rstrip("/") + "/"
        self.collections = self._said(landing, "data", allow_origins).partition("?")[0]
        self.collections = (self.collections or self.root + "collections").rstrip("/")
        self.search = self._said(landing, "search", allow_origins)
        methods = [link.get("method") or "GET" for link in stac.links_of(landing, "search")]
        self._methods = {str(method).upper() for method in methods}
        self.served = _served(landing) if self.search else frozenset()

    def collection(self, name: str) -> str:
        return f"{self.collections}/{quote(name, safe='')}"

    def item(self, collection: str, name: str) -> str:
        return f"{self.collection(collection)}/items/{quote(name, safe='')}"

    def document(self, collection: str, item: str) -> str:
        """Of an item, or for one of "" of its collection."""
        return self.item(collection, item) if item else self.collection(collection)

    def items(self, collection: str, selection: Selection) -> Request:
        asked = _asked(selection)
        parts = {name: asked[name] for name in _FOR_ITEMS if name in asked}
        return Request(f"{self.collection(collection)}/items?{urlencode(_flat(parts))}")

    def searches(self, selection: Selection) -> Iterator[Request]:
        """One search, or several where there are too many ids for one."""
        able = replace(
            selection,
            query=selection.query if "query" in self.served else None,
            filter=selection.filter if "filter" in self.served else None,
        )
        post = self._method(able) == "POST"
        step = IDS_BY_POST if post else IDS_BY_GET
        for at in range(0, max(len(able.ids), 1), step):
            asked = _asked(replace(able, ids=able.ids[at : at + step]))
            yield stac.post(self.search, asked) if post else Request(self._query(asked))

    def _query(self, asked: JsonObject) -> str:
        return f"{self.search}{'&' if '?' in self.search else '?'}{urlencode(_flat(asked))}"

    def _method(self, selection: Selection) -> str:
        """POST where it is offered; CQL2 as text can only go by GET."""
        if selection.method:
            return selection.method.upper()
        return "GET" if isinstance(selection.filter, str) or "POST" not in self._methods else "POST"

    def _said(self, landing: JsonObject, rel: str, allowed: Collection[str]) -> str:
        for link in stac.links_of(landing, rel):
            try:
                return stac.followed(link["href"], self.root, allowed)
            except MlhubError as error:
                raise SourceError(
                    f"the landing page's {rel} link: {error.message}", kind=error.kind
                ) from error
        return ""


def needs_search(selection: Selection) -> bool:
    """Whether more is asked than a collection's own items endpoint can tell."""
    asked = (selection.ids, selection.bbox, selection.intersects, selection.datetime)
    return not selection.collections or any((*asked, selection.query, selection.filter))


def _served(landing: JsonObject) -> frozenset[str]:
    """Which parts of a selection the API's search evaluates itself, by its conformance classes."""
    classes = landing.get("conformsTo")
    told = " ".join(map(str, classes)) if isinstance(classes, list) else ""
    found = {"intersects"}
    if "item-search#query" in told:
        found.add("query")
    if "#filter" in told or "ogcapi-features-3" in told or "/cql2/" in told:
        found.add("filter")
    return frozenset(found)


def _asked(selection: Selection) -> JsonObject:
    asked: JsonObject = {"limit": _limit(selection)}
    if selection.collections:
        asked["collections"] = list(selection.collections)
    if selection.ids:
        asked["ids"] = list(selection.ids)
    if selection.bbox is not None:
        asked["bbox"] = list(selection.bbox)
    if selection.intersects is not None:
        asked["intersects"] = stac.geometry_of(selection.intersects)
    if selection.datetime is not None:
        asked["datetime"] = stac.datetime_for_server(selection.datetime)
    if selection.query is not None:
        asked["query"] = selection.query
    if selection.filter is not None:
        text = isinstance(selection.filter, str)
        asked.update({"filter": selection.filter, "filter-lang": "cql2-text" if text else "cql2-json"})
    return asked


def _limit(selection: Selection) -> int:
    size = selection.limit or PAGE_SIZE
    return size if selection.max_items is None else min(size, max(SMALLEST_PAGE, selection.max_items))


def _flat(asked: JsonObject) -> dict[str, str]:
    return {name: _text(value) for name, value in asked.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)
