"""Hides which files the ledger knows of a collection that a later run has not met, and forgets them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .database import Statements
from .schema import ASSET, DONE, ITEM


class Scope(NamedTuple):
    """Files of one collection that runs over one source brought; `items_only`: of whole items that left."""

    collection: str
    source: str
    items_only: bool = False


class StaleFile(NamedTuple):
    """One file, as the ledger last knew it; `state` says whether there was one."""

    collection: str
    item: str
    role: int
    key: str
    path: str
    state: int
    size: int
    mtime_ns: int


MET_BEFORE = f"""FROM file WHERE collection=:collection AND role IN ({ASSET}, {ITEM}) AND run<>:run
  AND run IN (SELECT id FROM run WHERE source=:source)"""
ITEM_LEFT = """ AND NOT EXISTS (SELECT 1 FROM file AS owner WHERE owner.collection=file.collection
  AND owner.item=file.item AND owner.role<>0 AND owner.run=:run)"""
COLUMNS = "collection, item, role, key, path, state, coalesce(size, 0), coalesce(mtime_ns, 0)"


def _asked(book: Statements, what: str, scope: Scope, more: str = "") -> sqlite3.Cursor:
    statement = f"SELECT {what} {MET_BEFORE}{ITEM_LEFT if scope.items_only else ''} {more}"
    names = {"collection": scope.collection, "source": scope.source, "run": book.run}
    return book.database.execute(statement, names)


def left(book: Statements, scope: Scope, limit: int = -1) -> Iterator[StaleFile]:
    """The files that this run has not met, an item's assets before its document."""
    return (StaleFile(*row) for row in _asked(book, COLUMNS, scope, f"LIMIT {limit}"))


def count_left(book: Statements, scope: Scope) -> Counter[int]:
    """How many of them are there, by their role."""
    return Counter(dict(_asked(book, "role, count(*)", scope, f"AND state={DONE} GROUP BY role").fetchall()))


def count_met(book: Statements, collection: str) -> int:
    """How many items of a collection this run has met."""
    statement = "SELECT count(*) FROM file WHERE collection=? AND role=? AND run=?"
    return int(book.database.execute(statement, (collection, ITEM, book.run)).fetchone()[0])


def count_files(book: Statements, collections: Iterable[str]) -> Counter[int]:
    """How many assets and items of these collections are there, by their role."""
    statement = (
        "SELECT role, count(*) FROM file WHERE collection=? AND role IN (?, ?) AND state=? GROUP BY role"
    )
    rows = (book.database.execute(statement, (name, ASSET, ITEM, DONE)).fetchall() for name in collections)
    return sum((Counter(dict(row)) for row in rows), Counter())


def forget(book: Statements, rows: Sequence[StaleFile]) -> None:
    """Take rows out of the ledger."""
    with book.transaction():
        book.database.executemany(
            "DELETE FROM file WHERE collection=? AND item=? AND role=? AND key=?", [row[:4] for row in rows]
        )
