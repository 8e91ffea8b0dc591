"""A set of numbers that grows on disk: the hashes of what a listing has named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ...core.errors import StorageError
from ..file_systems import sqlite_lacks_room

if TYPE_CHECKING:
    import sqlite3

MAX_HELD = 1 << 13
"""Numbers in memory; above that they go to a temporary database, which SQLite keeps in a file."""
ASKED_AT_ONCE = 100
_TABLE = """
PRAGMA journal_mode=OFF; PRAGMA cache_size=-256;
CREATE TABLE held (number INTEGER PRIMARY KEY);
"""
_FIND = f"SELECT number FROM held WHERE number IN ({', '.join('?' * ASKED_AT_ONCE)})"


class NumberSet:
    """Numbers of 64 bits. Where no temporary file has room, all are held in memory.

    Raises `StorageError` if the temporary file cannot be written later.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._room: float = MAX_HELD
        self._database: sqlite3.Connection | None = None

    def add(self, numbers: Iterable[int]) -> set[int]:
        """Add numbers. Returns those that are new."""
        new = set(numbers) - self._held
        if new and self._database is not None:
            new.difference_update(self._find(new))
        self._held |= new
        if len(self._held) > self._room:
            self._store()
        return new

    def __contains__(self, number: object) -> bool:
        return number in self._held or (isinstance(number, int) and number in self._find({number}))

    def _find(self, numbers: set[int]) -> Iterator[int]:
        """Those of the numbers that are in the database."""
        if self._database is None:
            return
        asked: list[int | None] = list(numbers)
        for start in range(0, len(asked), ASKED_AT_ONCE):
            some = asked[start : start + ASKED_AT_ONCE]
            some += [None] * (ASKED_AT_ONCE - len(some))
            yield from (number for (number,) in self._database.execute(_FIND, some))

    def _store(self) -> None:
        """Move what is held to the database; in order, so that each of its pages is written once."""
        if self._database is None:
            if sqlite_lacks_room(0):
                self._room = math.inf
                return
            self._database = _temporary_database()
        import sqlite3

        try:
            with self._database:
                rows = ((number,) for number in sorted(self._held))
                self._database.executemany("INSERT INTO held VALUES (?)", rows)
        except sqlite3.Error as error:
            raise StorageError(f"temporary file: {error}; set TMPDIR to a folder with more room") from error
        self._held.clear()

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()


def _temporary_database() -> sqlite3.Connection:
    import sqlite3

    database = sqlite3.connect("", check_same_thread=False)
    database.executescript(_TABLE)
    return database
