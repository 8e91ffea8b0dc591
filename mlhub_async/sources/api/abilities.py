"""Which conditions of a selection a server is asked for, and who decides each of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ... import stac
from ...core.model import JsonObject
from ...core.options import Selection

OPTIONAL = ("query", "filter", "intersects", "datetime", "bbox")
"""Conditions that can be decided here instead, those first that servers refuse most."""
HERE = "here"
SERVER = "server"
BOTH = "server, and here again"
_SEARCH_FILTER = re.compile(r"/item-search#filter\Z")
_ITEMS_FILTER = re.compile(r"/conf/features-filter\Z")
_LANGUAGES = {True: re.compile(r"[/:#]cql2-text\Z"), False: re.compile(r"[/:#]cql2-json\Z")}
"""The conformance classes of filters as text, and as JSON."""


class Abilities:
    """What a server says in its landing page that it evaluates, without what it has refused since.

    `refused` has the names of conditions, and of the methods "GET" and "POST". What is refused once is not
    asked for again.
    """

    def __init__(self, landing: JsonObject) -> None:
        listed = landing.get("conformsTo")
        self._classes = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
        self.refused: frozenset[str] = frozenset()

    def asked(self, selection: Selection, *, by_search: bool) -> Selection:
        """The selection without the conditions that the server is not asked for.

        Servers take an `intersects` or a `bbox`, and a `filter` or a `query`, but not both. Of a box they get
        four numbers, of one over the antimeridian each of `bbox_parts`.
        """
        asks_filter = self._evaluates_filter(selection, by_search=by_search)
        asks_query = by_search and not asks_filter and self._declares("item-search#query")
        asked = replace(
            selection,
            filter=selection.filter if asks_filter else None,
            query=stac.query_for_server(selection.query) if selection.query and asks_query else None,
            intersects=selection.intersects if by_search else None,
        )
        nothing: dict[str, Any] = {name: None for name in OPTIONAL if name in self.refused}
        asked = replace(asked, **nothing)
        if asked.bbox is None or asked.intersects is not None:
            return replace(asked, bbox=None)
        parts = stac.parse_box(asked.bbox).parts
        return replace(asked, bbox=parts[0] if len(parts) == 1 else None)

    def bbox_parts(self, selection: Selection, *, by_search: bool) -> Iterator[Selection]:
        """The selection once for each box that is searched in: two for one over the antimeridian."""
        parts = stac.parse_box(selection.bbox).parts if selection.bbox is not None else ()
        if not parts or self.asked(replace(selection, bbox=parts[0]), by_search=by_search).bbox is None:
            yield selection
            return
        for part in parts:
            yield replace(selection, bbox=part)

    def evaluated(self, selection: Selection, *, by_search: bool) -> frozenset[str]:
        """The conditions that are the server's alone to decide."""
        asked = self.asked(selection, by_search=by_search)
        return frozenset() if asked.filter is None else frozenset({"filter"})

    def decided(self, selection: Selection, *, by_search: bool, by_id: bool = False) -> dict[str, str]:
        """Who decides each condition that the server takes part in."""
        if by_id:
            return {"collections": BOTH, "ids": BOTH}
        asked = self.asked(next(self.bbox_parts(selection, by_search=by_search)), by_search=by_search)
        named = {"collections": selection.collections, "ids": selection.ids if by_search else ()}
        found = {name: BOTH for name in OPTIONAL if getattr(asked, name) is not None}
        found |= {name: BOTH for name, values in named.items() if values}
        return found | ({"filter": SERVER} if asked.filter is not None else {})

    def _evaluates_filter(self, selection: Selection, *, by_search: bool) -> bool:
        """Only the filter class of this very endpoint, and the one of the language, say so."""
        if selection.filter is None or "filter" in self.refused:
            return False
        language = _LANGUAGES[isinstance(selection.filter, str)]
        endpoint = _SEARCH_FILTER if by_search else _ITEMS_FILTER
        is_declared = all(any(map(pattern.search, self._classes)) for pattern in (endpoint, language))
        return is_declared and not stac.server_misreads(selection.filter)

    def _declares(self, name: str) -> bool:
        return any(one.endswith(name) for one in self._classes)


def reductions(
    selection: Selection, methods: Sequence[str], *, method_first: bool
) -> Iterator[Collection[str]]:
    """What to leave out of a request that is refused: each condition alone, then more and more of them.

    `methods`: those that the server need not be asked by, the present one first. `method_first`: that it does
    not support this one is the likeliest reason.
    """
    conditions: list[str] = [name for name in OPTIONAL if getattr(selection, name) is not None]
    present, post = list(methods[:1]), [one for one in methods if one == "POST"]
    yield from ([name] for name in _ordered(conditions, present, method_first))
    for chosen in dict.fromkeys((tuple(post), tuple(present))):
        order = _ordered(conditions, list(chosen), method_first)
        yield from (order[:count] for count in range(2, len(order) + 1))


def _ordered(conditions: list[str], methods: list[str], method_first: bool) -> list[str]:
    return methods + conditions if method_first else [*conditions[:3], *methods, *conditions[3:]]


def refusal_line(left_out: Collection[str], status: Any) -> Iterator[str]:
    """A sentence for people for each thing that a server refuses."""
    answer = f" (HTTP {status})" if status else ""
    for name in left_out:
        if name in ("GET", "POST"):
            other = "POST" if name == "GET" else "GET"
            yield f"the server refuses searches by {name}{answer}: it is asked by {other}"
        else:
            yield f"the server refuses --{name}{answer}: that is decided here"
