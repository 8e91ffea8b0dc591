"""Which objects a bucket has below DEST, on disk: memory does not grow with them. Made anew by every run."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ...core.errors import StorageError

_TABLE = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE object (path TEXT PRIMARY KEY, size INTEGER, etag TEXT) WITHOUT ROWID;
"""


class KnownObject(NamedTuple):
    """Size in bytes, and ETag without quotes."""

    size: int
    etag: str


class ObjectIndex:
    """For any thread. Raises `StorageError` where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.unlink(missing_ok=True)
            self._database = sqlite3.connect(path.absolute(), isolation_level=None, check_same_thread=False)
            self._database.executescript(_TABLE)
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from None

    def add(self, objects: Iterable[tuple[str, int, str]]) -> None:
        """Path, size and ETag of each."""
        rows = [(path.encode("utf-8", "surrogatepass"), size, etag) for path, size, etag in objects]
        with self._guarded() as database:
            database.execute("BEGIN")
            database.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", rows)
            database.execute("COMMIT")

    def get(self, path: str) -> KnownObject | None:
        key = path.encode("utf-8", "surrogatepass")
        with self._guarded() as database:
            found = database.execute("SELECT size, etag FROM object WHERE path=?", (key,)).fetchone()
        return None if found is None else KnownObject(*found)

    def remove(self, path: str) -> None:
        with self._guarded() as database:
            database.execute("DELETE FROM object WHERE path=?", (path.encode("utf-8", "surrogatepass"),))

    def paths(self, but: str) -> list[str]:
        """All paths that do not begin with `but`."""
        with self._guarded() as database:
            rows = database.execute("SELECT path FROM object").fetchall()
        found = [path.decode("utf-8", "surrogatepass") for (path,) in rows]
        return [path for path in found if not path.startswith(but)]

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise self._failed(error) from None

    def _failed(self, error: Exception) -> StorageError:
        return StorageError(f"{self._path}: {error}; check the disk of --state, then run again")

    def close(self) -> None:
        """Delete it: the next run asks the store again."""
        self._database.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
