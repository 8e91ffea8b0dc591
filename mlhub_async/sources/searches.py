"""Hides how a selection is put to a STAC API: as a search by GET or POST, or to an items endpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson

from .. import stac
from ..model import JsonObject, Request, Selection

PAGE_SIZE = 100
SMALLEST_PAGE = 10
_SPACE_TIME = ("bbox", "datetime")


def needs_search(selection: Selection) -> bool:
    """Whether more is asked than a collection's own items endpoint can tell."""
    asked = (selection.ids, selection.bbox, selection.intersects, selection.datetime)
    return not selection.collections or any((*asked, selection.query, selection.filter))


def served(landing: JsonObject) -> frozenset[str]:
    """Which parts of a selection the API's /search evaluates itself, by its conformance classes."""
    classes = landing.get("conformsTo")
    told = " ".join(map(str, classes)) if isinstance(classes, list) else ""
    found = {"intersects"}
    if "item-search#query" in told:
        found.add("query")
    if "#filter" in told or "ogcapi-features-3" in told or "/cql2/" in told:
        found.add("filter")
    return frozenset(found)


def at_items(url: str, selection: Selection) -> Request:
    asked = _asked(selection)
    return Request(f"{url}?{urlencode(_flat({name: asked[name] for name in asked if name in _ITEMS}))}")


_ITEMS = ("limit", *_SPACE_TIME)


def at_search(url: str, method: str, selection: Selection, landing: JsonObject) -> Request:
    able = served(landing)
    asked = _asked(
        replace(
            selection,
            query=selection.query if "query" in able else None,
            filter=selection.filter if "filter" in able else None,
        )
    )
    if method == "POST":
        return stac.post(url, asked)
    return Request(f"{url}{'&' if '?' in url else '?'}{urlencode(_flat(asked))}")


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
