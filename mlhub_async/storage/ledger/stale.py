"""Finds the files of a collection that earlier runs recorded and this run has not listed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .database import Statements
from .lookups.item_links import forget_items
from .schema import ASSET, DONE, ITEM, run_of


class Scope(NamedTuple):
    """Files of one collection from one source; `items_only`: of items that are not listed at all."""

    collection: str
    source: str
    items_only: bool = False


class StaleFile(NamedTuple):
    """One row of the ledger; only in the state `DONE` is there a file."""

    collection: str
    item: str
    role: int
    key: str
    path: str
    state: int
    size: int
    mtime_ns: int
    sha256: str


class KeptFile(NamedTuple):
    """A finished file, and whether the run that listed it last was one of the same source."""

    collection: str
    item: str
    key: str
    role: int
    same_source: bool


NOT_LISTED = f"""FROM file WHERE collection=:collection AND role IN ({ASSET}, {ITEM})
  AND {run_of("file")}<>:run AND {run_of("file")} IN (SELECT id FROM run WHERE source=:source)"""
ITEM_NOT_LISTED = """ AND NOT EXISTS (SELECT 1 FROM file AS owner WHERE owner.collection=file.collection
  AND owner.item=file.item AND owner.role<>0 AND owner.run=:run)"""
COLUMNS = (
    "collection, item, role, key, path, state, coalesce(size, 0), coalesce(mtime_ns, 0), coalesce(sha256, '')"
)


def _select(book: Statements, columns: str, scope: Scope, suffix: str = "") -> sqlite3.Cursor:
    statement = f"SELECT {columns} {NOT_LISTED}{ITEM_NOT_LISTED if scope.items_only else ''} {suffix}"
    names = {"collection": scope.collection, "source": scope.source, "run": book.run}
    return book.database.execute(statement, names)


def stale_files(book: Statements, scope: Scope, limit: int = -1) -> Iterator[StaleFile]:
    """The files that this run has not listed, the assets of an item before its document."""
    return (StaleFile(*row) for row in _select(book, COLUMNS, scope, f"LIMIT {limit}"))


def count_stale(book: Statements, scope: Scope) -> Counter[int]:
    """How many of them are finished, by role."""
    return Counter(dict(_select(book, "role, count(*)", scope, f"AND state={DONE} GROUP BY role").fetchall()))


def count_listed(book: Statements, collection: str) -> int:
    """How many items of a collection this run has listed."""
    statement = "SELECT count(*) FROM file WHERE collection=? AND role=? AND run=?"
    return int(book.database.execute(statement, (collection, ITEM, book.run)).fetchone()[0])


def count_files(book: Statements, collections: Iterable[str]) -> Counter[int]:
    """How many assets and items of these collections are finished, by role."""
    statement = (
        "SELECT role, count(*) FROM file WHERE collection=? AND role IN (?, ?) AND state=? GROUP BY role"
    )
    rows = (book.database.execute(statement, (name, ASSET, ITEM, DONE)).fetchall() for name in collections)
    return sum((Counter(dict(row)) for row in rows), Counter())


def other_files(book: Statements, source: str) -> Iterator[KeptFile]:
    """The finished files that this run has not listed, of this source and of others."""
    rows = book.database.execute(
        f"SELECT collection, item, key, role, run.source=? FROM file JOIN run ON run.id={run_of('file')} "
        f"WHERE role IN (?, ?) AND state=? AND {run_of('file')}<>?",
        (source, ASSET, ITEM, DONE, book.run),
    )
    return (KeptFile(*row) for row in rows)


def forget(book: Statements, rows: Sequence[StaleFile]) -> None:
    """Delete rows from the ledger."""
    with book.transaction():
        book.database.executemany(
            "DELETE FROM file WHERE collection=? AND item=? AND role=? AND key=?", [row[:4] for row in rows]
        )
        forget_items(book.database, [row[:2] for row in rows if row.role == ITEM])
