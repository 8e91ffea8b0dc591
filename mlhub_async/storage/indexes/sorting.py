"""Many lines of text in order, sorted on disk: memory does not grow with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from ...core.errors import StorageError


def sorted_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines in the order of their bytes in UTF-8, from a temporary file where they are many.

    Raises `StorageError` if that cannot be written.
    """
    with closing(sqlite3.connect("")) as database:
        try:
            database.execute("CREATE TABLE line (words TEXT)")
            database.executemany("INSERT INTO line VALUES (?)", ((line,) for line in lines))
            rows = database.execute("SELECT words FROM line ORDER BY 1")
        except sqlite3.Error as error:
            raise StorageError(f"temporary file: {error}; set TMPDIR to a folder with more room") from error
        yield from (words for (words,) in rows)
