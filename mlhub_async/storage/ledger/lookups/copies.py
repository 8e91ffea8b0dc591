"""Finds finished files of a mirror by their digest or by the URL that they were fetched from.

The ledger may be open for reading only: what it lacks an index of is indexed in a temporary table, once for
each connection.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from ..schema import ASSET, DONE


class FileCopy(NamedTuple):
    """A file that a mirror has. `sha256` and `validator` are those that its run recorded.

    `size` is in bytes. `url` is the one that answered, after redirects and without secrets; `validator` is
    the ETag or Last-Modified of its response, or "". `proof` is a `model.Proof`.
    """

    path: str
    size: int
    sha256: str
    proof: str
    validator: str
    url: str


_COLUMNS = "path, size, file.sha256, proof, coalesce(validator, ''), coalesce(file.url, '')"


def copy_by_digest(database: sqlite3.Connection, sha256: str) -> FileCopy | None:
    """A file with this SHA-256, given in lower-case hexadecimal digits. The first call reads every row."""
    return _found(database, "sha256", sha256)


def copy_by_url(database: sqlite3.Connection, url: str) -> FileCopy | None:
    """A file that was fetched from this URL, given as `urls.canonical` writes it. Reads every row once."""
    return _found(database, "url", url)


def copy_of_asset(database: sqlite3.Connection, identity: tuple[str, str, str]) -> FileCopy | None:
    """The file of the asset with this collection, item and key."""
    statement = (
        f"SELECT {_COLUMNS} FROM file WHERE collection=? AND item=? AND role=? AND key=? AND state={DONE}"
    )
    row = database.execute(statement, (*identity[:2], ASSET, identity[2])).fetchone()
    return FileCopy(*row) if row else None


def _found(database: sqlite3.Connection, column: str, value: str) -> FileCopy | None:
    table = f"temp.copy_by_{column}"
    statement = f"""SELECT {_COLUMNS} FROM {table} AS known
      JOIN file ON file.fold=known.fold WHERE known.value=? AND state={DONE} LIMIT 1"""
    try:
        row = database.execute(statement, (value,)).fetchone()
    except sqlite3.OperationalError as missing:
        if "no such table" not in str(missing):
            raise
        _index(database, column, table)
        row = database.execute(statement, (value,)).fetchone()
    return FileCopy(*row) if row else None


def _index(database: sqlite3.Connection, column: str, table: str) -> None:
    database.execute(
        f"CREATE TABLE {table} (value TEXT NOT NULL, fold TEXT NOT NULL, PRIMARY KEY (value, fold))"
        " WITHOUT ROWID"
    )
    database.execute(
        f"INSERT INTO {table} SELECT {column}, fold FROM file"
        f" WHERE role={ASSET} AND state={DONE} AND {column}<>'' ORDER BY {column}, fold"
    )
