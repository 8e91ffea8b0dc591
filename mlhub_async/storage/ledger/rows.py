"""What became of a job, as one row of journal and table, and how rows are written to the table."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ...core.errors import error_json
from ...core.model import Outcome, Status
from ..naming import fold
from .schema import DONE, FAILED
from .steps import rows_changed

Row = tuple[str, str, int, str, str, int, int, int, str, str, str, str, str, str]
"""One settled file, as journal and table keep it: collection, item, role, key, path, state, size, mtime_ns,
sha256, proof, validator, stamp, url, error (JSON, "" for a file that is there)."""
ROW = 14


def row_of(outcome: Outcome, url: str) -> Row:
    asset, record, error = outcome.job.asset, outcome.record, outcome.error
    state = DONE if record is not None and outcome.status is not Status.FAILED else FAILED
    facts = (
        (record.size, record.mtime_ns, record.sha256, record.proof, record.validator)
        if (record is not None)
        else (0, 0, "", "none", "")
    )
    path = record.path if record is not None else outcome.job.path
    said = error_json(error) if error is not None else ""
    return (asset.collection, asset.item, 0, asset.key, path, state, *facts, asset.stamp, url, said)


def settle(database: sqlite3.Connection, run: int, rows: Sequence[Row]) -> None:
    """To be called inside a transaction. A row that is not in the table is put in as one of this `run`."""
    if rows_changed(database, SETTLE, rows) != len(rows):
        for row in rows:
            _settle(database, run, row)


def _settle(database: sqlite3.Connection, run: int, row: Row) -> None:
    *identity, path, state, size, mtime_ns, sha256, proof, validator, stamp, url, error = row
    facts = (state, size, mtime_ns, sha256, proof, validator, stamp, url, error or None)
    if not database.execute(SETTLE_ONE, (*facts, *identity)).rowcount:
        database.execute(INSERT, (*identity, path, fold(path), run, *facts))


SETTLE_ONE = """UPDATE file SET state=?, size=?, mtime_ns=?, sha256=?, proof=?, validator=?, stamp=?, url=?,
  error=? WHERE collection=? AND item=? AND role=? AND key=?"""
INSERT = """INSERT INTO file (collection, item, role, key, path, fold, run, state, size, mtime_ns, sha256,
  proof, validator, stamp, url, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
SETTLE = """UPDATE file SET state=settled.column6, size=settled.column7, mtime_ns=settled.column8,
  sha256=settled.column9, proof=settled.column10, validator=settled.column11, stamp=settled.column12,
  url=settled.column13, error=nullif(settled.column14, '') FROM ({}) AS settled
WHERE file.collection=settled.column1 AND file.item=settled.column2 AND file.role=settled.column3
  AND file.key=settled.column4"""
