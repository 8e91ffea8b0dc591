"""Items of an earlier run that this one takes over as listed, as the catalogue was asked for changes only.

The run takes the number of the earlier one, so that no row of an item that has not changed is written.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ....core.model import Proof
from ...integrity import IsUnchanged
from ..schema import ABSENT, ASSET, DONE, ITEM, run_of

RELISTED = """CREATE TEMP TABLE IF NOT EXISTS relisted (collection TEXT, item TEXT,
  PRIMARY KEY (collection, item)) WITHOUT ROWID"""
Identity = tuple[str, str]
"""Collection and item."""


@dataclass(slots=True)
class Carried:
    """Items of a run by collection, and their assets by proof, with the bytes of these."""

    items: Counter[str] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    absent: int = 0
    is_whole: bool = True
    """all items are complete, and no collection has assets itself"""

    def without(self, other: Carried) -> Carried:
        """What remains where `other`, a part of it, is listed anew."""
        items, proofs = self.items - other.items, self.proofs - other.proofs
        return Carried(items, proofs, self.bytes - other.bytes, self.absent - other.absent)


def last_run_before(database: sqlite3.Connection, run: int) -> int | None:
    """The run before this one."""
    (found,) = database.execute("SELECT max(id) FROM run WHERE id<?", (run,)).fetchone()
    return int(found) if found is not None else None


def files_of(database: sqlite3.Connection, run: int) -> Carried:
    """What the run listed that is the last which listed anything."""
    return _counted(database, run, "file")


def relisted_files(database: sqlite3.Connection, run: int, items: Sequence[Identity]) -> Carried:
    """The same of these items only."""
    _note_relisted(database, items)
    same = "file.collection=relisted.collection AND file.item=relisted.item"
    return _counted(database, run, f"relisted CROSS JOIN file ON {same}")


def _counted(database: sqlite3.Connection, run: int, rows: str) -> Carried:
    """In one pass: the order of collections is that of the table."""
    found = Carried()
    asked = f"""SELECT file.collection, {COUNTED} FROM {rows} WHERE role<={ITEM} AND {LISTED}
      GROUP BY file.collection ORDER BY file.collection"""
    for name, items, incomplete, own, absent, size, *proofs in database.execute(asked, {"run": run}):
        found.items[name] += items
        found.is_whole = found.is_whole and not incomplete and not own
        found.absent += absent
        found.bytes += size
        found.proofs.update(dict(zip(PROOFS, proofs, strict=True)))
    return found


def _note_relisted(database: sqlite3.Connection, items: Sequence[Identity]) -> None:
    database.execute(RELISTED)
    database.execute("DELETE FROM relisted")
    database.executemany("INSERT OR IGNORE INTO relisted VALUES (?, ?)", items)


def are_as_recorded(database: sqlite3.Connection, is_unchanged: IsUnchanged, run: int) -> bool:
    """Whether all files of the items of a run, the last that listed anything, are as recorded."""
    asked = f"SELECT path, size, mtime_ns FROM file WHERE state={DONE} AND role<={ITEM} AND {LISTED}"
    return all(itertools.starmap(is_unchanged, database.execute(asked, {"run": run})))


def take_over(database: sqlite3.Connection, before: int, run: int, without: Sequence[Identity]) -> None:
    """Give `run` the number `before` of the last run that listed anything, and that one a smaller number.

    So what that has listed is listed by `run`, but for the items in `without`, which `run` lists itself.
    To be called inside a transaction.
    """
    (other,) = database.execute("SELECT min(min(id), 0) - 1 FROM run").fetchone()
    for old, new in ((before, other), (run, before)):
        database.execute("UPDATE run SET id=? WHERE id=?", (new, old))
        for table in ("flaw", "seen"):
            database.execute(f"UPDATE {table} SET run=? WHERE run=?", (new, old))
    rows = [{"other": other, "run": before, "collection": one[0], "item": one[1]} for one in without]
    for statement in GIVE_BACK:
        database.executemany(statement, rows)


PROOFS = tuple(Proof)
_OF_ASSET = f"role={ASSET} AND state<>{ABSENT}"
COUNTED = f"""sum(role={ITEM}), sum(role={ITEM} AND (coalesce(stamp, '')='' OR state<>{DONE})),
  sum(role={ASSET} AND file.item=''), sum(role={ASSET} AND state={ABSENT}),
  coalesce(sum(CASE WHEN {_OF_ASSET} THEN size END), 0),
  {", ".join(f"sum({_OF_ASSET} AND coalesce(proof, '')='{proof}')" for proof in PROOFS)}"""
LISTED = f"(file.run=:run OR {run_of('file')}=:run)"
"""SQL for the files that a run listed, if no later one listed any: most have its number themselves."""
_OF_ITEM = "file.collection=:collection AND file.item=:item AND file.role"
GIVE_BACK = (
    f"UPDATE file SET run=:other WHERE {_OF_ITEM}={ASSET} AND {LISTED}",
    f"UPDATE file SET run=:other, validator='' WHERE {_OF_ITEM}={ITEM}",
)
"""Until they are claimed, files of items that are listed anew are those of the other run; in this order."""
