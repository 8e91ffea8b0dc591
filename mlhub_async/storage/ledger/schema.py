"""The tables of the ledger, and opening its file: a corrupt one is renamed and a new one created."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from pathlib import Path

from ...core.errors import DiskFull, StorageError, UsageError
from ..file_systems import on_network, sqlite_lacks_room
from ..layout import CORRUPT_INFIX, PROBE_FILE
from ..os_errors import GONE_ERRNOS, TOO_LARGE, largest_file, state_error, with_cause

APPLICATION_ID = 0x4D4C4842  # "MLHB"
VERSION = 2
"""Of the format. In format 1 every row had the number of the last run that listed it; see `run_of`."""
PAGE_BYTES = 4096
CORRUPT_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
REFUSAL_CODES = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
PROBE_BYTES = 1 << 20
DISK_FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})

ASSET, ITEM, COLLECTION, INDEX = 0, 1, 2, 3
"""Roles: an asset, the JSON document of an item, that of a collection, a file that lists all items."""
PLANNED, DONE, FAILED, ABSENT = 0, 1, 2, 3
"""States of a row. ABSENT: its source has no such file, and needs none."""


def run_of(row: str) -> str:
    """SQL for the last run that listed a file. `row`: the name of the table in the statement.

    An item of which nothing has changed is marked as listed in the row of its document alone, whose column
    `validator` then has the run in the rows of its assets.
    """
    return f"""coalesce((SELECT owner.run FROM file AS owner WHERE owner.collection={row}.collection
      AND owner.item={row}.item AND owner.role={ITEM} AND owner.key=''
      AND owner.validator={row}.run), {row}.run)"""


TABLES = frozenset({"file", "collection", "flaw", "seen", "run"})
RENAMING = """renaming (fold TEXT PRIMARY KEY, old TEXT NOT NULL, new TEXT NOT NULL,
  collection TEXT NOT NULL, item TEXT NOT NULL) WITHOUT ROWID"""
"""The table of `storage/renaming`. A ledger without it is of a version with other names of files."""
ITEM_LINKS = """
CREATE TABLE IF NOT EXISTS item_address (collection TEXT NOT NULL, item TEXT NOT NULL, url INTEGER NOT NULL,
  PRIMARY KEY (collection, item, url)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item_link (collection TEXT NOT NULL, item TEXT NOT NULL, number INTEGER NOT NULL,
  url INTEGER NOT NULL, path TEXT, PRIMARY KEY (collection, item, number)) WITHOUT ROWID;
"""
"""The tables of `lookups/item_links`, which ledgers of earlier versions do not have."""
SCHEMA = f"""
CREATE TABLE file (
  collection TEXT NOT NULL, item TEXT NOT NULL, role INTEGER NOT NULL, key TEXT NOT NULL,
  path TEXT NOT NULL, fold TEXT NOT NULL UNIQUE, state INTEGER NOT NULL, run INTEGER NOT NULL,
  size INTEGER, mtime_ns INTEGER, sha256 TEXT, proof TEXT, validator TEXT, stamp TEXT,
  url TEXT, error TEXT,
  PRIMARY KEY (collection, item, role, key)
) WITHOUT ROWID;
CREATE TABLE collection (id TEXT PRIMARY KEY, body BLOB, href TEXT, extent TEXT) WITHOUT ROWID;
CREATE TABLE flaw (run INTEGER NOT NULL, place TEXT NOT NULL, error TEXT NOT NULL, benign INTEGER NOT NULL);
CREATE TABLE seen (url_key INTEGER PRIMARY KEY, run INTEGER NOT NULL);
CREATE TABLE {RENAMING};
CREATE TABLE run (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, selection TEXT NOT NULL, started TEXT NOT NULL,
  finished TEXT, exit_code INTEGER
);
"""


def connect(path: Path, *, full_sync: bool = False) -> sqlite3.Connection:
    """Open the ledger, create it if there is none. A corrupt one is renamed, never deleted.

    Raises `UsageError` for a ledger of a newer program, `StorageError` when the disk refuses.
    """
    database = _open(path, full_sync)
    if database is None:
        aside = path.with_name(f"{path.name}{CORRUPT_INFIX}{time.strftime('%Y%m%dT%H%M%S')}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        database = _open(path, full_sync)
    if database is None:
        raise StorageError(f"{path}: no database can be kept here")
    return database


def _open(path: Path, full_sync: bool) -> sqlite3.Connection | None:
    """None if the file at `path` is corrupt or no ledger."""
    fresh = not path.exists() or path.stat().st_size == 0
    if fresh:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise state_error(error, path) from None
    database = sqlite3.connect(  # an absolute path: SQLite may take one that begins with `file:` for a URI
        path.absolute(), isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        database.execute("PRAGMA busy_timeout=5000")
        database.execute("PRAGMA cache_size=-3072")  # KiB
        choose_temporary_store(database, path.stat().st_size)
        database.execute("PRAGMA wal_autocheckpoint=0")  # see `Statements.checkpoint_some`
        if not fresh and _is_foreign(database):
            database.close()
            return None
        _choose_journal(database, path, full_sync)
        if not fresh and database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            database.close()
            return None
        _migrate(database, path)
    except sqlite3.DatabaseError as error:
        database.close()
        if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in CORRUPT_CODES:
            return None
        raise ledger_error(path, error) from None
    except UsageError:
        database.close()
        raise
    return database


def ledger_error(path: Path, error: sqlite3.Error) -> StorageError:
    """Our error for one of SQLite, with advice.

    SQLite has one error for whatever a disk refuses but a lack of space: a quota that is used up, a disk that
    became read-only, a file that this user may not write. The disk is asked again, to say which it is.
    """
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if code in DISK_FULL_CODES:
        return _full_error(path, error)
    if code & 0xFF in REFUSAL_CODES and (refusal := _refusal(path)) is not None:
        return refusal
    do = "check the disk, its free space and the limit on open files"
    if code & 0xFF in BUSY_CODES:
        do = "end the program that uses it"
    return StorageError(f"{path}: {error}; {do}, then run again")


def _refusal(path: Path) -> StorageError | None:
    """What the disk says to the ledger and to more bytes beside it; None if nothing."""
    probe = path.with_name(PROBE_FILE)
    try:
        probe.write_bytes(os.urandom(PROBE_BYTES))
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        ours = state_error(error, path)
        told = with_cause(ours, path.parent) if isinstance(ours, DiskFull) else ours
        return None if error.errno in GONE_ERRNOS else told
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return None


def choose_temporary_store(database: sqlite3.Connection, size: int) -> None:
    """Let SQLite sort in memory where its temporary files have no room; `size` is that of the ledger."""
    if sqlite_lacks_room(size):
        database.execute("PRAGMA temp_store=MEMORY")


def _full_error(path: Path, error: sqlite3.Error) -> StorageError:
    """SQLite says the same where the disk is full and where the shell allows no larger file."""
    largest = largest_file()
    sizes = [one.stat().st_size for one in path.parent.glob(f"{path.name}*")]
    if largest is not None and max(sizes, default=0) >= largest - 2 * PAGE_BYTES:
        return StorageError(f"{path}: {TOO_LARGE}; raise the limit, then run again")
    return with_cause(DiskFull(f"{path}: {error}; free some space, then run again"), path.parent)


def _choose_journal(database: sqlite3.Connection, path: Path, full_sync: bool) -> None:
    mode = "DELETE" if on_network(path) else "WAL"
    got = database.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
    careful = "EXTRA" if got.upper() != "WAL" else "FULL" if full_sync else "NORMAL"
    database.execute(f"PRAGMA synchronous={careful}")


def _is_foreign(database: sqlite3.Connection) -> bool:
    """Whether it is no ledger: another program's database, or one that has lost tables of ours."""
    [version] = database.execute("PRAGMA user_version").fetchone()
    [owner] = database.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if owner != APPLICATION_ID:
        return bool(tables)
    return 0 < version <= VERSION and not tables >= TABLES


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise UsageError(f"{path} was written by a newer mlhub-async (format {version}); use that one")
    if version == 1:
        database.execute(f"PRAGMA user_version={VERSION}")  # the tables are the same
    if version == 0:
        database.execute(f"PRAGMA application_id={APPLICATION_ID}")
        database.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version={VERSION};COMMIT;")
    database.executescript(ITEM_LINKS)
