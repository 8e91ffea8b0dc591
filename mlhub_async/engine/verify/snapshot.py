"""Reads a ledger without any change to DEST, also after a killed run and while another run uses it."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from ...core.errors import StorageError, UsageError
from ...core.json_text import loads
from ...core.urls import is_store_address, term_safe
from ...storage.file_systems import scratch_folder
from ...storage.integrity import is_unchanged
from ...storage.layout import (
    LEDGER_FILE,
    RECEIPT_FILE,
    STATE_DIR,
    WRITE_AHEAD_LOG_FILES,
    in_state,
)
from ...storage.ledger.database import Statements
from ...storage.ledger.schema import VERSION, choose_temporary_store, connect
from ...storage.ledger.write_behind import uncommitted_rows
from ...storage.os_errors import is_unreachable, state_error
from ...storage.renaming.journal import is_under_way, old_manifest, record_found

LEDGER = in_state(LEDGER_FILE)
RECEIPT = in_state(RECEIPT_FILE)
MAX_BYTES_IN_MEMORY = 32 << 20
"""Of a ledger that is copied to apply its write-ahead logs."""
MIN_COPY_BYTES = 8 << 20
"""Room for a copy of a ledger that is to grow by the claims of a run."""


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """The ledger after the last run. `finished`: that run was neither killed nor is still going on.

    `renaming`: the files are being given other names, see `storage/renaming`.
    """

    statements: Statements
    run_id: int
    finished: bool
    renaming: bool = False

    def has_manifest(self, digest: object) -> bool:
        """Whether the manifest of the run is this one."""
        if digest == self.statements.manifest(self.run_id):
            return True
        return self.renaming and digest == old_manifest(self.statements.database, self.run_id)


def _is_unchanged(dest: Path, path: str, size: int, mtime_ns: int) -> bool:
    return is_unchanged(f"{dest}/{path}", size, mtime_ns)


@contextmanager
def open_snapshot(dest: Path) -> Iterator[LedgerSnapshot]:
    """The ledger of DEST, for use by one thread at a time. Closed at the end of the context.

    Raises `UsageError` if there is none, or one of a newer version of this program, `StorageError` if it
    cannot be read, `sqlite3.DatabaseError` for a broken one.
    """
    if not _has_ledger(dest):
        _refuse_without_ledger(dest)
    with ExitStack() as stack:
        database = _open_ledger(dest / LEDGER, stack)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise UsageError(f"{LEDGER} was written by a newer mlhub-async (format {version}); use that one")
        last = database.execute("SELECT id, finished FROM run ORDER BY id DESC LIMIT 1").fetchone()
        run_id, finished = last or (0, None)
        statements = Statements(database, partial(_is_unchanged, dest))
        yield LedgerSnapshot(statements, run_id, finished is not None, is_under_way(database))


def _refuse_without_ledger(dest: Path) -> NoReturn:
    if is_store_address(address := str(dest).replace(":/", "://", 1)):
        raise UsageError(f"{term_safe(address, 300)} is a bucket: this command reads a directory only")
    from ..destination import refuse_shards

    refuse_shards(dest)
    raise UsageError(f"no mirror at {term_safe(dest, 300)}: there is no {LEDGER}")


def _has_ledger(dest: Path) -> bool:
    """Raises `StorageError` where the disk does not tell."""
    try:
        found = stat.S_ISREG(os.stat(dest / LEDGER).st_mode)
        if found and not os.access(dest / LEDGER, os.R_OK):  # else SQLite says so, as if it were damaged
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return found
    except OSError as error:
        if is_unreachable(error) or error.errno in (errno.EACCES, errno.EIO):
            raise state_error(error, dest / LEDGER) from None
        return False


@contextmanager
def open_mirror(dest: Path) -> Iterator[LedgerSnapshot]:
    """The same; raises `UsageError` also where no run has got as far as a listing."""
    if _has_ledger(dest) and _is_unborn(dest):
        raise _no_mirror_yet(dest)
    with open_snapshot(dest) as snapshot:
        if not snapshot.run_id:
            raise _no_mirror_yet(dest)
        yield snapshot


def _no_mirror_yet(dest: Path) -> UsageError:
    where = term_safe(dest, 300)
    return UsageError(
        f"no mirror yet at {where}: no run has come to a listing; run 'mlhub-async mirror' again"
    )


def _is_unborn(dest: Path) -> bool:
    """Whether a first run was killed while it made the ledger: that has no table, and DEST nothing else."""
    if (dest / RECEIPT).exists() or any(one.name != STATE_DIR for one in dest.iterdir()):
        return False
    path = dest / LEDGER
    with suppress(sqlite3.DatabaseError, OSError):
        parameters = "mode=ro" if _sqlite_wal(path).exists() else "immutable=1"
        with closing(_connect(path, parameters)) as database:
            return database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    return False


@contextmanager
def read_mirror(dest: Path) -> Iterator[LedgerSnapshot]:
    """The same for who only reports it; raises `StorageError` where the ledger is broken."""
    try:
        with open_mirror(dest) as snapshot:
            yield snapshot
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{LEDGER} is broken ({error}); the next mirror run rebuilds it") from None


@contextmanager
def open_ledger_copy(dest: Path) -> Iterator[tuple[Statements, bool]]:
    """A ledger that begins as that of DEST, in a temporary folder, and whether that has finished files.

    A run has begun in it. A ledger that is broken counts as none, as for the next run. Raises `UsageError`
    for one of a newer version of this program.
    """
    exists = _has_ledger(dest)
    size = 2 * os.path.getsize(dest / LEDGER) if exists else 0
    with scratch_folder(size + MIN_COPY_BYTES, dest / STATE_DIR, dest, dest.absolute().parent) as folder:
        path = folder / LEDGER_FILE
        if exists:
            with suppress(sqlite3.DatabaseError), ExitStack() as stack:
                copy = stack.enter_context(closing(sqlite3.connect(path)))
                stack.enter_context(open_snapshot(dest)).statements.database.backup(copy)
        with closing(connect(path)) as database:
            book = Statements(database, partial(_is_unchanged, dest))
            yield book, book.begin_run("", "{}", "")


def _open_ledger(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """The database itself, if it was closed; else a temporary copy with its write-ahead logs applied."""
    try:
        if is_closed(path):
            closed = stack.enter_context(closing(_connect(path, "immutable=1")))
            if not is_under_way(closed):
                return closed
        return _copy_recovered(path, stack)
    except OSError as error:
        raise StorageError(f"{LEDGER}: cannot be read ({error.strerror or type(error).__name__})") from None


def receipt_of(dest: Path) -> dict[str, Any] | None:
    """The receipt of the last run, None if there is none. Raises ValueError if it is no JSON object."""
    try:
        receipt = loads((dest / RECEIPT).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error.strerror) from None
    if not isinstance(receipt, dict):
        raise ValueError("not a JSON object")
    return receipt


def is_closed(path: Path) -> bool:
    """Whether no log has changes that are missing in the database file. Raises `StorageError` where the disk
    does not tell."""
    logs = (path.with_name(name) for name in WRITE_AHEAD_LOG_FILES)
    try:
        return not _sqlite_wal(path).exists() and not any(log.exists() and log.stat().st_size for log in logs)
    except OSError as error:
        raise state_error(error, path) from None


def _sqlite_wal(path: Path) -> Path:
    """SQLite's own write-ahead log: it exists while the database is open, and after a kill."""
    return path.with_name(f"{path.name}-wal")


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?{parameters}", uri=True, isolation_level=None, check_same_thread=False
    )
    choose_temporary_store(database, path.stat().st_size)
    return database


def _copy_recovered(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """In memory if it is small: a temporary file may be impossible. The logs are read first: rows that are
    committed meanwhile are in the copy too."""
    rows, size = uncommitted_rows(path.parent), path.stat().st_size
    place: str | Path = ":memory:"
    if size > MAX_BYTES_IN_MEMORY:
        place = stack.enter_context(scratch_folder(2 * size, path.parent)) / path.name
    copy = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    stack.enter_context(closing(copy))
    choose_temporary_store(copy, size)
    with closing(_connect(path, "mode=ro" if _sqlite_wal(path).exists() else "immutable=1")) as original:
        original.backup(copy)
    statements = Statements(copy, partial(_is_unchanged, path.parent.parent))
    statements.recover(rows)
    if is_under_way(copy):
        record_found(statements, lambda name: os.path.lexists(path.parent.parent / name))
    return copy
