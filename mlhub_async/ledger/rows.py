"""What became of a job, as one row of journal and table, and how rows are written to the table."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from ..errors import MlhubError
from ..model import Outcome, Status
from ..names import fold
from .claims import NUL
from .schema import DONE, FAILED

Row = tuple[str, str, int, str, str, int, int, int, str, str, str, str, str, str]
"""One settled file, as journal and table keep it: collection, item, role, key, path, state, size, mtime_ns,
sha256, proof, validator, stamp, url, error (JSON, "" for a file that is there)."""
ROW = 14


def row_of(outcome: Outcome, url: str) -> Row:
    asset, record, error = outcome.job.asset, outcome.record, outcome.error
    state = DONE if record is not None and outcome.status is not Status.FAILED else FAILED
    facts = (
        (record.size, record.mtime_ns, record.sha256, record.proof.value, record.validator)
        if (record is not None)
        else (0, 0, "", "none", "")
    )
    path = record.path if record is not None else outcome.job.path
    said = error_json(error) if error is not None else ""
    return (asset.collection, asset.item, 0, asset.key, path, state, *facts, asset.stamp, url, said)


def error_json(error: MlhubError) -> str:
    """An error as errors.jsonl and the events show it."""
    shown = {"class": error.kind, "message": error.message, "retryable": error.retryable}
    status = getattr(error, "status", None)
    return orjson.dumps(shown | ({"status": status} if status else {})).decode()


def settle(database: sqlite3.Connection, run: int, rows: Sequence[Row]) -> None:
    """To be called inside a transaction. A row that is not in the table is put in as one of this `run`.

    All of them in one step, for the reason that `claims` gives; what that does not reach, one by one.
    """
    facts = orjson.dumps(rows).decode()
    if NUL in facts or database.execute(SETTLE_ALL, (facts,)).rowcount != len(rows):
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
SETTLE_ALL = """UPDATE file SET state=settled.state, size=settled.size, mtime_ns=settled.mtime_ns,
  sha256=settled.sha256, proof=settled.proof, validator=settled.validator, stamp=settled.stamp,
  url=settled.url, error=nullif(settled.error, '')
FROM (SELECT json_extract(value, '$[0]') AS collection, json_extract(value, '$[1]') AS item,
  json_extract(value, '$[2]') AS role, json_extract(value, '$[3]') AS key,
  json_extract(value, '$[5]') AS state, json_extract(value, '$[6]') AS size,
  json_extract(value, '$[7]') AS mtime_ns, json_extract(value, '$[8]') AS sha256,
  json_extract(value, '$[9]') AS proof, json_extract(value, '$[10]') AS validator,
  json_extract(value, '$[11]') AS stamp, json_extract(value, '$[12]') AS url,
  json_extract(value, '$[13]') AS error FROM json_each(?)) AS settled
WHERE file.collection=settled.collection AND file.item=settled.item AND file.role=settled.role
  AND file.key=settled.key"""
