"""Rows of files that were claimed and have not ended: in memory, so that the table gets each row once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain, compress
from operator import not_

from ...naming import fold
from ..rows import PlannedRow, Row, execute_in_chunks, rows_changed
from ..schema import PLANNED

Identity = tuple[str, str, int, str]
"""collection, item, role, asset key: the primary key of a row."""

MAX_ROWS = 50_000
"""With more rows in memory all are written to the table. A usual run has a tenth of them at a time."""


class PlannedRows:
    """The claimed rows that are in memory only. What is true of the table is true of these and it together.

    Nothing of them changes while a transaction may still be rolled back: it is the caller who adds rows after
    the commit of a claim, drops them after the commit that settles them, and clears all after `write`.
    """

    def __init__(self) -> None:
        self._by_fold: dict[str, PlannedRow] = {}
        self._owners: set[tuple[str, str, int]] = set()
        """items and collections: the rows of their assets do not stay longer than theirs"""

    def __len__(self) -> int:
        return len(self._by_fold)

    def divide(self, rows: Sequence[Row]) -> tuple[list[PlannedRow], list[Row], list[Row]]:
        """What was planned for rows that have ended, the rows of these, and those that were not planned."""
        folds = [path.lower() if (path := row[4]).isascii() else fold(path) for row in rows]
        found = list(map(self._by_fold.get, folds))
        known = [one is not None and one[:4] == row[:4] for one, row in zip(found, rows, strict=True)]
        planned = [one for one in compress(found, known) if one is not None]
        if len(planned) == len(rows):
            return planned, list(rows), []
        return planned, list(compress(rows, known)), list(compress(rows, map(not_, known)))

    def can_take(self, database: sqlite3.Connection, rows: Sequence[PlannedRow]) -> bool:
        """Whether neither the owners nor the paths of these rows are in memory, in the table, or among them
        twice.

        Of the table, the caller knows that it has no row of their assets unless it has one of the owner.
        """
        if len(self) + len(rows) > MAX_ROWS:
            return False
        folds, owners = {row[5] for row in rows}, [row[:3] for row in rows if row[2]]
        return (
            len(folds) == len({row[:4] for row in rows}) == len(rows)
            and self._by_fold.keys().isdisjoint(folds)
            and self._owners.isdisjoint(owners)
            and not _found(database, TAKEN_PATHS, [(one,) for one in folds])
            and not _found(database, TAKEN_OWNERS, owners)
        )

    def add(self, rows: Sequence[PlannedRow]) -> None:
        self._by_fold.update([(row[5], row) for row in rows])
        self._owners.update([row[:3] for row in rows if row[2]])

    def write(self, database: sqlite3.Connection, run: int) -> None:
        """Insert all of them for this run; inside a transaction, after which the caller clears them."""
        insert_planned(database, run, list(self._by_fold.values()))

    def clear(self) -> None:
        self._by_fold.clear()
        self._owners.clear()

    def drop(self, rows: Sequence[PlannedRow]) -> None:
        """Forget those that the table has settled."""
        for row in rows:
            self._by_fold.pop(row[5], None)
            if row[2]:
                self._owners.discard(row[:3])


def insert_planned(database: sqlite3.Connection, run: int, rows: Sequence[PlannedRow]) -> int:
    """Insert rows that are neither in the table nor have a path that is; returns how many these were."""
    return rows_changed(database, INSERT, [(*row, PLANNED, run) for row in rows])


def _found(database: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> bool:
    return any(chain.from_iterable(execute_in_chunks(database, statement, rows)))


INSERT = "INSERT OR IGNORE INTO file (collection, item, role, key, path, fold, stamp, state, run) {}"
TAKEN_PATHS = "SELECT 1 FROM ({}) AS asked CROSS JOIN file ON file.fold=asked.column1"
TAKEN_OWNERS = """SELECT 1 FROM ({}) AS asked CROSS JOIN file ON file.collection=asked.column1
  AND file.item=asked.column2 AND file.role=asked.column3 AND file.key=''"""
