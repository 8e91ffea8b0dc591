"""Items of an earlier run that this one takes over as listed, as the catalogue was asked for changes only.

The run takes the number of the earlier one, so that no row of an item that has not changed is written.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ....core.json_text import loads
from ....core.model import Proof
from ...integrity import IsUnchanged
from ..rows import IN_PIECE, Pieces
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
    is_as_recorded: bool = True
    """all files have the size and mtime that are recorded, as far as these were compared"""

    def add(self, counts: Sequence[Any]) -> None:
        """Add a row of `COUNTED`."""
        name, size, items, incomplete, own, absent, *proofs = counts
        self.items[name] += items
        self.is_whole = self.is_whole and not incomplete and not own
        self.absent += absent
        self.bytes += size
        self.proofs.update(dict(zip(PROOFS, proofs, strict=True)))

    def without(self, other: Carried) -> Carried:
        """What remains where `other`, a part of it, is listed anew."""
        items, proofs = self.items - other.items, self.proofs - other.proofs
        return Carried(items, proofs, self.bytes - other.bytes, self.absent - other.absent)


def last_run_before(database: sqlite3.Connection, run: int) -> int | None:
    """The run before this one."""
    (found,) = database.execute("SELECT max(id) FROM run WHERE id<?", (run,)).fetchone()
    return int(found) if found is not None else None


def files_of(pieces: Pieces, is_unchanged: IsUnchanged, run: int) -> Carried:
    """What the run listed that is the last which listed anything, compared with the files in DEST.

    In one pass, which ends where an item is not complete or a file is not as recorded.
    """
    found = Carried()
    asked = f"SELECT {FILES}, {COUNTED} FROM file WHERE {IN_PIECE} AND {OF_RUN} GROUP BY file.collection"
    for files, *counts in pieces.rows(asked, {"run": run}):
        found.add(counts)
        found.is_as_recorded = all(itertools.starmap(is_unchanged, loads(files)))
        if not (found.is_whole and found.is_as_recorded):
            break
    return found


def relisted_files(database: sqlite3.Connection, run: int, items: Sequence[Identity]) -> Carried:
    """What the run listed of these items."""
    _note_relisted(database, items)
    found = Carried()
    same = "file.collection=relisted.collection AND file.item=relisted.item"
    rows = f"relisted CROSS JOIN file ON {same} WHERE {OF_RUN}"
    asked = f"SELECT {COUNTED} FROM {rows} GROUP BY file.collection"
    for counts in database.execute(asked, {"run": run}):
        found.add(counts)
    return found


def _note_relisted(database: sqlite3.Connection, items: Sequence[Identity]) -> None:
    database.execute(RELISTED)
    database.execute("DELETE FROM relisted")
    database.executemany("INSERT OR IGNORE INTO relisted VALUES (?, ?)", items)


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
_COUNTED = (
    f"role={ITEM}",
    f"role={ITEM} AND (state<>{DONE} OR coalesce(stamp, '')='')",
    f"role={ASSET} AND file.item=''",
    f"role={ASSET} AND state={ABSENT}",
    *(f"{_OF_ASSET} AND proof='{proof}'" for proof in PROOFS),
)
COUNTED = f"""file.collection, coalesce(sum(CASE WHEN {_OF_ASSET} THEN size END), 0),
  {", ".join(f"count(CASE WHEN {one} THEN 1 END)" for one in _COUNTED)}"""
"""`count` of a CASE costs half of `sum` of a condition, all of whose terms SQLite evaluates."""
LISTED = f"(file.run=:run OR {run_of('file')}=:run)"
"""SQL for the files that a run listed, if no later one listed any: most have its number themselves."""
OF_RUN = f"role<={ITEM} AND {LISTED}"
"""The same for those of items."""
FILES = f"json_group_array(json_array(path, size, mtime_ns)) FILTER (WHERE state={DONE})"
_OF_ITEM = "file.collection=:collection AND file.item=:item AND file.role"
GIVE_BACK = (
    f"UPDATE file SET run=:other WHERE {_OF_ITEM}={ASSET} AND {LISTED}",
    f"UPDATE file SET run=:other, validator='' WHERE {_OF_ITEM}={ITEM}",
)
"""Until they are claimed, files of items that are listed anew are those of the other run; in this order."""
