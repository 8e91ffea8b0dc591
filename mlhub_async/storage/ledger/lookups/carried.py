"""Items of an earlier run that this one takes over as listed, as the catalogue was asked for changes only.

The run takes the number of the earlier one, so that no row of an item that has not changed is written.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Sequence
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
    asked = f"""SELECT coalesce(sum(role={ITEM}), 0),
      coalesce(sum(role={ITEM} AND (coalesce(stamp, '')='' OR state<>{DONE})), 0),
      coalesce(sum(role={ASSET} AND item=''), 0) FROM file WHERE role<={ITEM} AND run=?"""
    count, incomplete, of_collections = database.execute(asked, (run,)).fetchone()
    return None if incomplete or of_collections else int(count)


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
    """Whether all files of the items of a run, the last that listed anything, are as recorded."""
    asked = f"SELECT path, size, mtime_ns FROM file WHERE state={DONE} AND role<={ITEM} AND {LISTED}"
    return all(itertools.starmap(is_unchanged, database.execute(asked, {"run": run})))


def take_over(database: sqlite3.Connection, before: int, run: int, without: Sequence[Identity]) -> Carried:
    """Give `run` the number `before` of the last run that listed anything, and that one a smaller number.

    So what that has listed is listed by `run`, but for the items in `without`, which `run` lists itself.

    To be called inside a transaction.
    """
    (other,) = database.execute("SELECT min(min(id), 0) - 1 FROM run").fetchone()
    for old, new in ((before, other), (run, before)):
        database.execute("UPDATE run SET id=? WHERE id=?", (new, old))
        for table in ("flaw", "seen"):
            database.execute(f"UPDATE {table} SET run=? WHERE run=?", (new, old))
    _note_relisted(database, without)
    for statement in GIVE_BACK:
        database.execute(statement, {"other": other, "run": before})
    return _carried(database, before)


def _carried(database: sqlite3.Connection, run: int) -> Carried:
    counted = f"""SELECT role, state, coalesce(proof, ''), count(*), coalesce(sum(size), 0) FROM file
      WHERE role<={ITEM} AND {LISTED} GROUP BY 1, 2, 3"""
    found = Carried()
    for role, state, proof, count, size in database.execute(counted, {"run": run}):
        if role == ITEM:
            found.items += count
        elif state == ABSENT:
            found.absent += count
        else:
            found.proofs[proof] += count
            found.bytes += size
    return found


LISTED = f"(file.run=:run OR {run_of('file')}=:run)"
"""SQL for the files that a run listed, if no later one listed any: most have its number themselves."""
_RELISTED_FILES = """FROM relisted WHERE file.collection=relisted.collection AND file.item=relisted.item
  AND file.role"""
GIVE_BACK = (
    f"UPDATE file SET run=:other {_RELISTED_FILES}={ASSET} AND {LISTED}",
    f"UPDATE file SET run=:other, validator='' {_RELISTED_FILES}={ITEM}",
)
"""Until they are claimed, files of items that are listed anew are those of the other run; in this order."""
