"""Detects listings that do not end: loops, and too many empty pages. Counts records up to the total."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Any

from ...core.errors import CatalogError
from ...core.json_text import encode_json, parse_json
from ...core.model import Request

MAX_REMEMBERED = 65_536
"""Requests, and pages, that a loop is recognised by."""
PAGES_WITH_IDS = 4
"""Latest pages of which every id is remembered."""
MAX_STALE_PAGES = 3
"""Pages in a row, all of whose records came before, that are taken for a loop."""
MAX_EMPTY_PAGES = 10
"""Empty pages in a row that a server may send before more records."""
NO_PROGRESS = frozenset({"pagination-loop", "empty-pages"})
"""The kinds of the errors that are raised here."""


class LoopGuard:
    """Raises `CatalogError` when a listing repeats itself, or too many of its pages are empty.

    It keeps a hash of each of the last `memory` requests and pages, and the ids of the last four pages.
    `found` counts the records that were new when they came, `total` is the largest total that was announced.
    """

    def __init__(self, memory: int = MAX_REMEMBERED) -> None:
        self._requests = _Hashes(memory)
        self._pages = _Hashes(memory)
        self._ids: deque[frozenset[int]] = deque(maxlen=PAGES_WITH_IDS)
        self._stale = 0
        self._empty = 0
        self.found = 0
        self.total: int | None = None

    @property
    def total_reached(self) -> bool:
        """As many records came as were announced. More may follow: totals are capped or estimated."""
        return self.total is not None and self.found >= self.total

    @property
    def has_ended(self) -> bool:
        """The latest page brought nothing new, and exactly the announced records came before."""
        return bool(self._stale or self._empty) and self.found == self.total

    def add_request(self, request: Request, number: int) -> None:
        """To be called with every request before it is sent."""
        if not self._requests.add(hash((request.method, request.url, _canonical(request.body)))):
            raise CatalogError(
                f"page {number} would be the same request as an earlier page: the server pages in a loop",
                kind="pagination-loop",
            )

    def add_page(self, records: Sequence[Any], number: int, matched: int | None = None) -> None:
        """To be called with the records of every page, and the total that it announced."""
        if matched is not None:
            self.total = max(matched, self.total or 0)
        self._empty = 0 if records else self._empty + 1
        if self._empty > MAX_EMPTY_PAGES:
            raise CatalogError(f"{self._empty} empty pages in a row, up to page {number}", kind="empty-pages")
        if not records:
            return
        self._stale = self._stale + 1 if self._is_stale(records) else 0
        if self._stale >= MAX_STALE_PAGES:
            raise CatalogError(
                f"{MAX_STALE_PAGES} pages in a row, up to page {number}, repeat what was listed before",
                kind="pagination-loop",
            )

    def knows(self, record: Any) -> bool:
        """Whether a record is on one of the latest pages."""
        return _is_on(_identity(record), self._ids)

    def _is_stale(self, records: Sequence[Any]) -> bool:
        """Whether the page as a whole, or each of its records, came before."""
        ids = frozenset(map(_identity, records))
        fresh = self._pages.add(hash(ids))
        new = sum(not _is_on(one, self._ids) for one in ids)
        self._ids.append(ids)
        self.found += new if fresh else 0
        return not new or not fresh


class _Hashes:
    """The latest `limit` of the numbers that were added, in 16 bytes each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ordered = array("q")
        self._latest = array("q")
        """in the order in which they came; once it is full, a ring"""
        self._oldest = 0

    def add(self, number: int) -> bool:
        """Whether this number is new. The oldest is forgotten first."""
        at = bisect_left(self._ordered, number)
        if self._ordered[at : at + 1] == array("q", (number,)):
            return False
        self._ordered.insert(at, number)
        if len(self._latest) < self._limit:
            self._latest.append(number)
        else:
            del self._ordered[bisect_left(self._ordered, self._latest[self._oldest])]
            self._latest[self._oldest] = number
            self._oldest = (self._oldest + 1) % self._limit
        return True


def _is_on(identity: int, pages: deque[frozenset[int]]) -> bool:
    return any(identity in page for page in pages)


def _identity(record: Any) -> int:
    if isinstance(record, dict) and "id" in record:
        return hash((str(record.get("collection")), str(record["id"])))
    return hash(str(record))


def _canonical(body: bytes | None) -> bytes | None:
    """The body with its keys in order: the same search is the same request however it is written."""
    return None if body is None else encode_json(parse_json(body), sort_keys=True)
