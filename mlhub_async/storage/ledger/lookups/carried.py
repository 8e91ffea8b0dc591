"""Items of an earlier run that this one takes over as listed, as the catalogue was asked for changes only.

An item is marked in the row of its document alone, as in `unchanged`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..claims.assignment import IsUnchanged
from ..schema import ABSENT, ASSET, DONE, ITEM, run_of

RELISTED = """CREATE TEMP TABLE IF NOT EXISTS relisted (collection TEXT, item TEXT,
  PRIMARY KEY (collection, item)) WITHOUT ROWID"""
Identity = tuple[str, str]
"""Collection and item."""


@dataclass(slots=True)
class Carried:
    """What was taken over: items, and their assets by proof, with the bytes of these."""

    items: int = 0
    proofs: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    absent: int = 0


def last_run_before(database: sqlite3.Connection, run: int) -> int | None:
    """The run before this one."""
    (found,) = database.execute("SELECT max(id) FROM run WHERE id<?", (run,)).fetchone()
    return int(found) if found is not None else None


def items_of(database: sqlite3.Connection, run: int) -> int | None:
    """How many items a run listed. None if one of them is not complete, or a collection has assets itself."""
    asked = f"""SELECT count(*), coalesce(sum(coalesce(stamp, '')='' OR state<>{DONE}), 0)
      FROM file WHERE role={ITEM} AND key='' AND run=?"""
    count, incomplete = database.execute(asked, (run,)).fetchone()
    of_collections = f"SELECT 1 FROM file WHERE role={ASSET} AND item='' AND run=? LIMIT 1"
    if incomplete or database.execute(of_collections, (run,)).fetchone() is not None:
        return None
    return int(count)


def known_of(database: sqlite3.Connection, run: int, items: Sequence[Identity]) -> int:
    """How many of these items a run listed."""
    _note_relisted(database, items)
    asked = f"""SELECT count(*) FROM relisted CROSS JOIN file ON file.collection=relisted.collection
      AND file.item=relisted.item AND file.role={ITEM} AND file.key='' AND file.run=?"""
    return int(database.execute(asked, (run,)).fetchone()[0])


def _note_relisted(database: sqlite3.Connection, items: Sequence[Identity]) -> None:
    database.execute(RELISTED)
    database.execute("DELETE FROM relisted")
    database.executemany("INSERT OR IGNORE INTO relisted VALUES (?, ?)", items)


def are_as_recorded(database: sqlite3.Connection, is_unchanged: IsUnchanged, run: int) -> bool:
    """Whether all files of the items of a run still have their size and time."""
    return all(is_unchanged(*row) for row in _files(database, run))


def _files(database: sqlite3.Connection, run: int) -> Iterator[tuple[str, int, int]]:
    asked = f"""SELECT path, size, mtime_ns FROM file
      WHERE state={DONE} AND role<={ITEM} AND {run_of("file")}=?"""
    yield from database.execute(asked, (run,))


def carry_over(database: sqlite3.Connection, before: int, run: int, without: Sequence[Identity]) -> Carried:
    """Mark the items of the run `before` as listed by `run`, but for those that it lists itself.

    To be called inside a transaction.
    """
    _note_relisted(database, without)
    found = Carried()
    found.items = database.execute(
        f"""UPDATE file SET validator=coalesce(nullif(validator, ''), run), run=? WHERE role={ITEM} AND key=''
        AND run=? AND NOT EXISTS (SELECT 1 FROM relisted WHERE relisted.collection=file.collection
        AND relisted.item=file.item)""",
        (run, before),
    ).rowcount
    counted = f"""SELECT state, coalesce(proof, ''), count(*), coalesce(sum(size), 0) FROM file
      WHERE role={ASSET} AND {run_of("file")}=? GROUP BY 1, 2"""
    for state, proof, count, size in database.execute(counted, (run,)):
        if state == ABSENT:
            found.absent += count
        else:
            found.proofs[proof] += count
            found.bytes += size
    return found
