"""The outcome of a job as a row of write-ahead log and table, and statements that take many rows."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, compress, pairwise, repeat
from operator import attrgetter, itemgetter
from sys import intern
from typing import TYPE_CHECKING, Any

from ...core.errors import error_json
from ...core.model import Asset, Job, Outcome, Proof, Record, Status
from ..naming import fold
from .schema import ABSENT, DONE, FAILED

if TYPE_CHECKING:
    from ...core.ports import Settled

Row = tuple[str, str, int, str, str, int, int, int, str, str, str, str, str, str]
"""One settled file in write-ahead log and table: collection, item, role, key, path, state, size, mtime_ns,
sha256, proof, validator, stamp, url, error (JSON, "" for a file that is there)."""
ROW_FIELDS = 14
PlannedRow = tuple[str, str, int, str, str, str, str]
"""Identity (collection, item, role, key), path, folded path and stamp of a row that was claimed."""

_PLAIN_TEXT: Callable[[Proof], str] = attrgetter("_value_")
"""SQLite binds a plain str at less cost than an enum."""
ROWS_OF_STATEMENTS = (100, 25, 5, 1)
"""So many rows one statement has; other numbers of rows take several. SQLite keeps each statement compiled,
with room for all of its values: one for every number would take 5 MB."""


_JOB, _STATUS, _RECORD = map(itemgetter, map(Outcome._fields.index, ("job", "status", "record")))
_ASSET = itemgetter(Job._fields.index("asset"))
_OWNER_AND_KEY = itemgetter(*map(Asset._fields.index, ("collection", "item", "key", "stamp")))


def rows_of(batch: Sequence[Settled]) -> list[Row]:
    outcomes, urls = zip(*batch, strict=True) if batch else ((), ())
    statuses, records = list(map(_STATUS, outcomes)), list(map(_RECORD, outcomes))
    if statuses and statuses.count(Status.FETCHED) == len(statuses) and not records.count(None):
        return _rows_of_files(outcomes, records, urls)
    return _rows_of_any(batch)


def _rows_of_files(outcomes: Sequence[Outcome], records: list[Record], urls: Sequence[str]) -> list[Row]:
    """The same by columns, which takes a third of the time."""
    assets = map(_ASSET, map(_JOB, outcomes))
    collections, items, keys, stamps = zip(*map(_OWNER_AND_KEY, assets), strict=True)
    paths, sizes, digests, times, proofs, validators = zip(*records, strict=True)
    identities = collections, items, repeat(0), keys
    facts = repeat(DONE), sizes, times, digests, map(_PLAIN_TEXT, proofs)
    return list(zip(*identities, paths, *facts, validators, stamps, urls, repeat("")))


def _rows_of_any(batch: Iterable[Settled]) -> list[Row]:
    rows: list[Row] = []
    for outcome, url in batch:
        asset, record, error = outcome.job.asset, outcome.record, outcome.error
        state = DONE if record is not None and outcome.status is not Status.FAILED else FAILED
        if outcome.status is Status.ABSENT:
            state = ABSENT
        record = record or Record(outcome.job.path, 0, "", 0, Proof.NONE)
        path, size, sha256, mtime_ns, proof, validator = record
        said = error_json(error) if error is not None else ""
        identity = (asset.collection, asset.item, 0, asset.key)
        facts = (size, mtime_ns, sha256, _PLAIN_TEXT(proof))
        rows.append((*identity, path, state, *facts, validator, asset.stamp, url, said))
    return rows


def settle(database: sqlite3.Connection, run: int, rows: Sequence[Row]) -> None:
    """To be called inside a transaction. A row that is not in the table is inserted for this `run`."""
    if rows_changed(database, SETTLE, rows) != len(rows):
        for row in rows:
            _settle(database, run, row)


def insert_settled(
    database: sqlite3.Connection, run: int, rows: Sequence[Row], planned: Sequence[PlannedRow]
) -> None:
    """The same for rows that are not in the table, with what was planned for each."""
    done = [not row[13] for row in rows]
    inserted = _inserted(run, list(compress(rows, done)), list(compress(planned, done)))
    is_whole = rows_changed(database, INSERT_SETTLED, inserted) == len(inserted)
    for row, is_done in zip(rows, done, strict=True):
        if not (is_done and is_whole):
            _settle(database, run, row)


def _inserted(run: int, rows: Sequence[Row], planned: Sequence[PlannedRow]) -> list[tuple[Any, ...]]:
    """The same by columns, which takes a third of the time."""
    if not rows:
        return []
    columns, places = list(zip(*rows, strict=True)), list(zip(*planned, strict=True))
    return list(zip(*columns[:4], *places[4:6], repeat(run), *columns[5:13]))


def _settle(database: sqlite3.Connection, run: int, row: Row) -> None:
    *identity, path, state, size, mtime_ns, sha256, proof, validator, stamp, url, error = row
    facts = (state, size, mtime_ns, sha256, proof, validator, stamp, url, error or None)
    if not database.execute(SETTLE_ONE, (*facts, *identity)).rowcount:
        database.execute(INSERT, (*identity, path, fold(path), run, *facts))


INSERT_SETTLED = """INSERT OR IGNORE INTO file (collection, item, role, key, path, fold, run, state, size,
  mtime_ns, sha256, proof, validator, stamp, url) {}"""
SETTLE_ONE = """UPDATE file SET state=?, size=?, mtime_ns=?, sha256=?, proof=?, validator=?, stamp=?, url=?,
  error=? WHERE collection=? AND item=? AND role=? AND key=?"""
INSERT = """INSERT INTO file (collection, item, role, key, path, fold, run, state, size, mtime_ns, sha256,
  proof, validator, stamp, url, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
SETTLE = """UPDATE file SET state=settled.column6, size=settled.column7, mtime_ns=settled.column8,
  sha256=settled.column9, proof=settled.column10, validator=settled.column11, stamp=settled.column12,
  url=settled.column13, error=nullif(settled.column14, '') FROM ({}) AS settled
WHERE file.collection=settled.column1 AND file.item=settled.column2 AND file.role=settled.column3
  AND file.key=settled.column4"""


def execute_in_chunks(
    database: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]
) -> Iterator[sqlite3.Cursor]:
    """Execute a statement with the rows as the VALUES that `{}` in it stands for."""
    start = 0
    for count in ROWS_OF_STATEMENTS:
        while len(rows) - start >= count:
            some = rows[start : start + count]
            start += count
            yield database.execute(
                _with_values(statement, count, len(some[0])), tuple(chain.from_iterable(some))
            )


def rows_changed(database: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> int:
    """The same for a statement that changes rows; returns how many it changed."""
    return sum([cursor.rowcount for cursor in execute_in_chunks(database, statement, rows)])


@lru_cache(maxsize=64)
def _with_values(statement: str, count: int, width: int) -> str:
    return statement.format("VALUES " + ", ".join([f"({', '.join('?' * width)})"] * count))


Key = tuple[Any, Any, int, str]
"""Of a row: collection, item, role, key."""

PIECE_ROWS = 1_000
"""An array of so many paths and digests has 150 kB; twice as many add 1 MB to the peak of a run."""
FIRST: Key = ("", "", -1, "")
"""Before the key of every file."""
LAST: Key = (b"", b"", 0, "")
"""After the key of every file: in SQLite each BLOB comes after all texts."""
_KEY = "file.collection, file.item, file.role, file.key"
IN_PIECE = f"({_KEY}) > (:c0, :c1, :c2, :c3) AND ({_KEY}) <= (:d0, :d1, :d2, :d3)"
"""The condition of a statement for `Pieces.rows` that chooses the rows of table `file`."""
NEXT = f"""SELECT {_KEY} FROM file WHERE ({_KEY}) > (?, ?, ?, ?)
  ORDER BY {_KEY} LIMIT 1 OFFSET {PIECE_ROWS - 1}"""


class Pieces:
    """The table of files in the order of its key, some thousand rows for each row of a result.

    The sqlite3 module releases and takes the GIL for every row that it fetches: rows in a JSON array cost
    half. Several passes have the same pieces until the database has changed much: a file that is inserted
    later makes one of them larger. Their ends take 200 bytes of memory for 1000 files.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self._ends: list[Key] = []
        self._changes = -1
        """of the database until these were found"""

    def rows(
        self, statement: str, parameters: Mapping[str, object], collection: str | None = None
    ) -> Iterator[Any]:
        """The rows that the statement gives for each piece of the table, or of one collection in it.

        The table must not change meanwhile.
        """
        for begin, end in pairwise(self._bounds(collection)):
            bounds = {f"c{number}": value for number, value in enumerate(begin)}
            bounds |= {f"d{number}": value for number, value in enumerate(end)}
            yield from self.database.execute(statement, {**parameters, **bounds})

    def _bounds(self, collection: str | None) -> list[Key]:
        if self._changes < 0 or self.database.total_changes > self._changes + PIECE_ROWS:
            self._ends, self._changes = list(self._find_ends()), self.database.total_changes
        if collection is None:
            return [FIRST, *self._ends, LAST]
        start = bisect_left(self._ends, collection, key=itemgetter(0))
        stop = bisect_right(self._ends, collection, key=itemgetter(0))
        return [(collection, *FIRST[1:]), *self._ends[start:stop], (collection, *LAST[1:])]

    def _find_ends(self) -> Iterator[Key]:
        found = FIRST
        while (found := self.database.execute(NEXT, found).fetchone()) is not None:
            yield (intern(found[0]), found[1], found[2], intern(found[3]))  # many have both in common
