"""What is missing: the rows of errors.jsonl by the kind of failure, as the ledger has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple

from ....core.urls import redacted
from ....storage.ledger.database import Statements
from .advice import advice_for

MAX_ROWS = 3_000
"""Rows that are shown; further ones are counted."""
MAX_BYTES = 600_000
"""Of the text of all rows that are shown, as it is written in HTML."""
MAX_TEXT_CHARS = 300


class FailureRow(NamedTuple):
    """One asset, or record of the catalogue, that is missing."""

    collection: str
    item: str
    key: str
    href: str
    """without secrets"""
    message: str
    status: int | None


@dataclass(slots=True)
class FailureKind:
    """The failures of one kind. `rows` has the first ones, `count` all of them."""

    name: str
    advice: str
    benign: bool
    count: int = 0
    rows: list[FailureRow] = field(default_factory=list)


@dataclass(slots=True)
class Failures:
    """All failures of the last run, the most frequent kind first."""

    kinds: list[FailureKind] = field(default_factory=list)
    count: int = 0
    shown: int = 0


def read_failures(book: Statements, run: int) -> Failures:
    """The failures of a run. Of any number of them at most `MAX_ROWS` are kept in memory."""
    kinds: dict[tuple[str, bool], FailureKind] = {}
    found, size = Failures(), 0
    for name, retryable, benign, row in _rows(book, run):
        kind = kinds.get((name, benign))
        if kind is None:
            advice = advice_for(name, retryable=retryable, benign=benign)
            kind = kinds[name, benign] = FailureKind(name, advice, benign)
        kind.count += 1
        found.count += 1
        if found.shown < MAX_ROWS and size < MAX_BYTES:
            size += sum(len(escape(text).encode("utf-8", "replace")) for text in row[:5])
            kind.rows.append(row)
            found.shown += 1
    found.kinds = sorted(kinds.values(), key=lambda one: (one.benign, -one.count, one.name))
    return found


def _rows(book: Statements, run: int) -> Iterator[tuple[str, bool, bool, FailureRow]]:
    """Of each failure its kind, whether another run may mend it, whether it is benign, and its row."""
    for row in book.missing(run):
        error: Any = row["error"]
        collection, item, key = (
            str(row.get(name) or "")[:MAX_TEXT_CHARS] for name in ("collection", "item", "key")
        )
        href, message = redacted(str(row["href"] or "")), str(error.get("message", ""))[:MAX_TEXT_CHARS]
        about = FailureRow(collection, item, key, href, message, error.get("status"))
        yield str(error.get("class", "")), bool(error.get("retryable")), bool(row.get("benign")), about
