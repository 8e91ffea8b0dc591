"""Hides how an endless listing is told from a long one, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import orjson

from ..core.errors import CatalogError
from ..core.model import Request

MEMORY = 65_536
PAGES_WITH_IDS = 4
STALE_PAGES = 3
EMPTY_PAGES = 10


class LoopGuard:
    """Raises `CatalogError` when a listing repeats itself or says nothing for too long.

    Of the last `memory` requests and pages it keeps one number each, of the last four pages the ids.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._requests: dict[int, None] = {}
        self._pages: dict[int, None] = {}
        self._ids: deque[frozenset[int]] = deque(maxlen=PAGES_WITH_IDS)
        self._stale = 0
        self._empty = 0

    def ask(self, request: Request, number: int) -> None:
        """To be told of every request before it is sent."""
        if not self._remember(self._requests, hash((request.method, request.url, _canonical(request.body)))):
            raise CatalogError(
                f"page {number} would be the same request as an earlier page: the server pages in a loop",
                kind="pagination-loop",
            )

    def take(self, records: Sequence[Any], number: int) -> None:
        """To be told of every page's records."""
        self._empty = 0 if records else self._empty + 1
        if self._empty > EMPTY_PAGES:
            raise CatalogError(f"{self._empty} empty pages in a row, up to page {number}", kind="empty-pages")
        if not records:
            return
        self._stale = self._stale + 1 if self._nothing_new(records) else 0
        if self._stale >= STALE_PAGES:
            raise CatalogError(
                f"{STALE_PAGES} pages in a row, up to page {number}, repeat what was listed before",
                kind="pagination-loop",
            )

    def _nothing_new(self, records: Sequence[Any]) -> bool:
        ids = frozenset(map(_identity, records))
        fresh = self._remember(self._pages, hash(ids))
        known = all(any(one in page for page in self._ids) for one in ids)
        self._ids.append(ids)
        return known or not fresh

    def _remember(self, seen: dict[int, None], number: int) -> bool:
        """Whether this is new. The oldest is forgotten first."""
        if number in seen:
            return False
        seen[number] = None
        if len(seen) > self._memory:
            del seen[next(iter(seen))]
        return True


def _identity(record: Any) -> int:
    if isinstance(record, dict) and "id" in record:
        return hash((str(record.get("collection")), str(record["id"])))
    return hash(str(record))


def _canonical(body: bytes | None) -> bytes | None:
    """The same search is the same request, in whatever order its parts are written."""
    if body is None:
        return None
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
