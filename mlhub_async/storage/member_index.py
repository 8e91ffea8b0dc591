"""The names of many files and a few numbers of each, on disk and in order: memory does not grow with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import StorageError

Numbers = tuple[float, ...]
BATCH = 1_000
_TABLES = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE file (name TEXT PRIMARY KEY, offset, size, crc, modified, document) WITHOUT ROWID;
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
            if new:
                self._database.executescript(_TABLES)
                self._database.execute("BEGIN")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self._added: list[tuple[str, Numbers]] = []

    def add(self, name: str, numbers: Numbers) -> None:
        """A later file of the same name takes the place of an earlier one."""
        self._added.append((name, numbers))
        if len(self._added) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """What was added can be read from now on."""
        rows = [(name, *numbers) for name, numbers in self._added]
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

    def get(self, name: str) -> Numbers | None:
        found = self._rows("SELECT offset, size, crc, modified, document FROM file WHERE name=?", name)
        return found[0] if found else None

    def names(self) -> Iterator[str]:
        """All names, in order."""
        after = ""
        while rows := self._rows("SELECT name FROM file WHERE name>? ORDER BY name LIMIT 1000", after):
            yield from (name for (name,) in rows)
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
