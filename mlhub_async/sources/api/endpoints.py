"""The URLs of a STAC API, and the requests that put a selection to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from ... import stac
from ...core.errors import MlhubError, SourceError
from ...core.json_text import dumps
from ...core.model import JsonObject, Request
from ...core.options import Selection
from .abilities import Abilities

PAGE_SIZE = 100
"""Items per page that are asked for where `--limit` says nothing."""
MIN_PAGE_SIZE = 10
"""`--max-items` makes pages smaller, but not smaller than this."""
MAX_IDS_BY_GET = 50
MAX_IDS_BY_POST = 1000
"""Ids in one search; more take several searches."""
MAX_URL = 7000
"""Characters of a URL that servers take: many stop reading after 8 KiB of a request's head."""
_FOR_ITEMS = ("limit", "bbox", "datetime", "filter", "filter-lang")
"""Parameters of an items endpoint (OGC API - Features)."""


class Endpoints:
    """The URLs of one API: those of its landing page, else those of the STAC API specification.

    Raises `SourceError` if the landing page points to another origin that is not in `allow_origins`.
    """

    def __init__(self, root: str, landing: JsonObject, allow_origins: Collection[str] = frozenset()) -> None:
        self.root = root.partition("?")[0].partition("#")[0].rstrip("/") + "/"
        data = self._linked(landing, "data", allow_origins)
        self.data_urls = [url.partition("?")[0].rstrip("/") for _, url in data]
        """where the collections may be listed, the likeliest first"""
        self.collections = next(iter(self.data_urls), self.root + "collections")
        search = self._linked(landing, "search", allow_origins)
        self.search = next((url for _, url in search), "")
        """the URL of the search; "" for an API that has none"""
        self._search_by = dict(reversed(search))
        self.abilities = Abilities(landing)

    def collection(self, name: str) -> str:
        """The URL of a collection."""
        return f"{self.collections}/{quote(name, safe='')}"

    def item(self, collection: str, name: str) -> str:
        """The URL of an item."""
        return f"{self.collection(collection)}/items/{quote(name, safe='')}"

    def document(self, collection: str, item: str) -> str:
        """The URL of an item, or where the item is "" of its collection."""
        return self.item(collection, item) if item else self.collection(collection)

    def items(self, collection: str, selection: Selection) -> Request:
        """The first page of a collection's items; asks for no more of the selection than the server takes."""
        parameters = _parameters(self.abilities.asked(selection, by_search=False))
        taken = {name: parameters[name] for name in _FOR_ITEMS if name in parameters}
        return Request(f"{self.collection(collection)}/items?{urlencode(_as_text(taken))}")

    def searches(self, selection: Selection) -> Iterator[Selection]:
        """The searches that a selection takes: several where there are too many ids for one, or two boxes."""
        step = MAX_IDS_BY_POST if self.search_method(selection) == "POST" else MAX_IDS_BY_GET
        for part in self.abilities.bbox_parts(selection, by_search=True):
            for start in range(0, max(len(part.ids), 1), step):
                yield replace(part, ids=part.ids[start : start + step])

    def search_request(self, selection: Selection) -> Request:
        """The first page of one search. A geometry that makes the URL too long is not asked for again."""
        parameters = _parameters(self.abilities.asked(selection, by_search=True))
        if self.search_method(selection) == "POST":
            return stac.post_request(self._search_by.get("POST") or self.search, parameters)
        url = self._search_url(parameters)
        if len(url) > MAX_URL and "intersects" in parameters:
            self.abilities.refused |= {"intersects"}
            return self.search_request(selection)
        return Request(url)

    def _search_url(self, parameters: JsonObject) -> str:
        url = self._search_by.get("GET") or self.search
        return f"{url}{'&' if '?' in url else '?'}{urlencode(_as_text(parameters))}"

    def search_method(self, selection: Selection) -> str:
        """POST where it is offered; CQL2 as text can only go by GET. Another one where that was refused."""
        is_text = isinstance(self.abilities.asked(selection, by_search=True).filter, str)
        preferred = "GET" if is_text or "POST" not in self._search_by else "POST"
        method = selection.method.upper() if selection.method else preferred
        if method in self.abilities.refused and self.takes_other_method(method):
            return "GET" if method == "POST" else "POST"
        return method

    def takes_other_method(self, method: str) -> bool:
        """Whether the search can be asked by the other method: GET always, POST where it is offered."""
        other = "GET" if method == "POST" else "POST"
        return other not in self.abilities.refused and (other == "GET" or "POST" in self._search_by)

    def _linked(self, landing: JsonObject, rel: str, allowed: Collection[str]) -> list[tuple[str, str]]:
        """Method and URL of the landing page's usable links to JSON with this relation, the likeliest first.

        Raises `SourceError` if there are links and none of them may be followed.
        """
        found: list[tuple[str, str]] = []
        refused: MlhubError | None = None
        for link in _json_links(landing, rel):
            try:
                found.append((_method(link), stac.resolve_trusted(link["href"], self.root, allowed)))
            except MlhubError as error:
                refused = refused or error
        if refused is not None and not found:
            message = f"the landing page's {rel} link: {refused.message}"
            raise SourceError(message, kind=refused.kind) from refused
        return found


def _json_links(landing: JsonObject, rel: str) -> list[JsonObject]:
    """Links with this relation, without those that declare another format (HTML, OpenSearch)."""
    return [link for link in stac.json_links(landing, rel) if stac.media_rank(link) <= stac.UNSTATED]


def _method(link: JsonObject) -> str:
    return str(link.get("method") or "GET").upper()


def needs_search(selection: Selection) -> bool:
    """Whether more is asked for than a collection's own items endpoint can select."""
    conditions = (selection.ids, selection.bbox, selection.intersects, selection.datetime)
    return not selection.collections or any((*conditions, selection.query, selection.filter))


def _parameters(selection: Selection) -> JsonObject:
    """The selection as the parameters of a search, by the STAC API specification."""
    found: JsonObject = {"limit": _page_size(selection)}
    if selection.collections:
        found["collections"] = list(selection.collections)
    if selection.ids:
        found["ids"] = list(selection.ids)
    if selection.bbox is not None:
        found["bbox"] = list(selection.bbox)
    if selection.intersects is not None:
        found["intersects"] = stac.server_shape(selection.intersects)
    if selection.datetime is not None:
        found["datetime"] = stac.interval_for_server(selection.datetime)
    if selection.query is not None:
        found["query"] = selection.query
    if selection.filter is not None:
        is_text = isinstance(selection.filter, str)
        found.update({"filter": selection.filter, "filter-lang": "cql2-text" if is_text else "cql2-json"})
    return found


def _page_size(selection: Selection) -> int:
    size = selection.limit or PAGE_SIZE
    return size if selection.max_items is None else min(size, max(MIN_PAGE_SIZE, selection.max_items))


def _as_text(parameters: JsonObject) -> dict[str, str]:
    return {name: _text(value) for name, value in parameters.items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return dumps(value).decode() if isinstance(value, dict) else str(value)
