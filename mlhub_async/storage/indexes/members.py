"""The names of many files and some facts of each, on disk and in order: memory does not grow with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.errors import StorageError

Facts = tuple[float | str, ...]
BATCH = 1_000
CACHE_KIB = 512
"""Memory for its pages: names are added and listed in order, or nearly so."""
_FACTS = "place, size, modified, document, sha256"
_TABLES = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE file (name TEXT PRIMARY KEY, place, size, modified, document, sha256) WITHOUT ROWID;
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""


class MemberIndex:
    """The index at `path`; a new one, or that of an earlier run. May be used in any thread, by one at a time.

    Raises `StorageError` for one that cannot be read or written.
    """

    def __init__(self, path: Path, *, new: bool) -> None:
        self._path = path
        if new:
            path.unlink(missing_ok=True)
        try:
            self._database = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'rwc' if new else 'ro'}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
            self._database.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            if new:
                self._database.executescript(_TABLES)
                self._database.execute("BEGIN")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self._added: list[tuple[str, Facts]] = []

    def add(self, name: str, facts: Facts) -> None:
        """A later file of the same name takes the place of an earlier one."""
        self._added.append((name, facts))
        if len(self._added) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """What was added can be read from now on."""
        rows = [(name, *facts) for name, facts in self._added]
        self._added.clear()
        try:
            self._database.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def save(self, about: dict[str, str]) -> None:
        """Make it an index that a later run can read. `about` describes it."""
        try:
            self._database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def about(self) -> dict[str, str]:
        """What it was saved with; {} if it was not."""
        return dict(self._rows("SELECT name, value FROM about"))

    def get(self, name: str) -> Facts | None:
        found = self._rows(f"SELECT {_FACTS} FROM file WHERE name=?", name)
        return found[0] if found else None

    def rows(self) -> Iterator[Facts]:
        """Name and facts of all files, in the order of the names."""
        after = ""
        while rows := self._rows(
            f"SELECT name, {_FACTS} FROM file WHERE name>? ORDER BY name LIMIT 1000", after
        ):
            yield from rows
            after = rows[-1][0]

    def _rows(self, statement: str, *given: str) -> list[Any]:
        try:
            return self._database.execute(statement, given).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StorageError:
        return StorageError(f"{self._path}: {error}; remove it, and run again")

    def close(self) -> None:
        self._database.close()
