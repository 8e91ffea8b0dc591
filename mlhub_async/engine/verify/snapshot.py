"""Reads a ledger without any change to DEST, also after a killed run and while another run uses it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from ...core.errors import StorageError, UsageError
from ...core.urls import term_safe
from ...storage.integrity import is_unchanged
from ...storage.layout import LEDGER_FILE, RECEIPT_FILE, WRITE_AHEAD_LOG_FILES, in_state
from ...storage.ledger.database import Statements
from ...storage.ledger.schema import VERSION, connect
from ...storage.ledger.write_behind import WriteAheadLog
from ...storage.renaming.journal import is_under_way, old_manifest, record_found

LEDGER = in_state(LEDGER_FILE)
RECEIPT = in_state(RECEIPT_FILE)


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
    if not os.path.isfile(dest / LEDGER):
        raise UsageError(f"no mirror at {term_safe(dest, 300)}: there is no {LEDGER}")
    with ExitStack() as stack:
        database = _open_ledger(dest / LEDGER, stack)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise UsageError(f"{LEDGER} was written by a newer mlhub-async (format {version}); use that one")
        last = database.execute("SELECT id, finished FROM run ORDER BY id DESC LIMIT 1").fetchone()
        run_id, finished = last or (0, None)
        statements = Statements(database, partial(_is_unchanged, dest))
        yield LedgerSnapshot(statements, run_id, finished is not None, is_under_way(database))


@contextmanager
def open_ledger_copy(dest: Path) -> Iterator[tuple[Statements, bool]]:
    """A ledger that begins as that of DEST, in a temporary folder, and whether that has finished files.

    A run has begun in it. A ledger that is broken counts as none, as for the next run. Raises `UsageError`
    for one of a newer version of this program.
    """
    with TemporaryDirectory(prefix="mlhub-async-") as folder:
        path = Path(folder, LEDGER_FILE)
        if os.path.isfile(dest / LEDGER):
            with suppress(sqlite3.DatabaseError), ExitStack() as stack:
                copy = stack.enter_context(closing(sqlite3.connect(path)))
                stack.enter_context(open_snapshot(dest)).statements.database.backup(copy)
        with closing(connect(path)) as database:
            book = Statements(database, partial(_is_unchanged, dest))
            yield book, book.begin_run("", "{}", "")


def _open_ledger(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """The database itself, if it was closed; else a temporary copy with its write-ahead logs applied."""
    try:
        if _is_closed(path):
            closed = stack.enter_context(closing(_connect(path, "immutable=1")))
            if not is_under_way(closed):
                return closed
        return _copy_recovered(path, stack)
    except OSError as error:
        raise StorageError(f"{LEDGER}: cannot be read ({error.strerror or type(error).__name__})") from None


def receipt_of(dest: Path) -> dict[str, Any] | None:
    """The receipt of the last run, None if there is none. Raises ValueError if it is no JSON object."""
    try:
        receipt = orjson.loads((dest / RECEIPT).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error.strerror) from None
    if not isinstance(receipt, dict):
        raise ValueError("not a JSON object")
    return receipt


def _is_closed(path: Path) -> bool:
    """Whether no log has changes that are missing in the database file."""
    logs = (path.with_name(name) for name in WRITE_AHEAD_LOG_FILES)
    return not _sqlite_wal(path).exists() and not any(log.exists() and log.stat().st_size for log in logs)


def _sqlite_wal(path: Path) -> Path:
    """SQLite's own write-ahead log: it exists while the database is open, and after a kill."""
    return path.with_name(f"{path.name}-wal")


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{parameters}", uri=True, isolation_level=None, check_same_thread=False
    )


def _copy_recovered(path: Path, stack: ExitStack) -> sqlite3.Connection:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="mlhub-async-")))
    for name in WRITE_AHEAD_LOG_FILES:
        if path.with_name(name).exists():
            shutil.copyfile(path.with_name(name), folder / name)
    copy = sqlite3.connect(folder / path.name, isolation_level=None, check_same_thread=False)
    stack.enter_context(closing(copy))
    with closing(_connect(path, "mode=ro" if _sqlite_wal(path).exists() else "immutable=1")) as original:
        original.backup(copy)
    with closing(WriteAheadLog(folder)) as logs:
        statements = Statements(copy, partial(_is_unchanged, path.parent.parent))
        statements.settle(logs.uncommitted())
    if is_under_way(copy):
        record_found(statements, lambda name: os.path.lexists(path.parent.parent / name))
    return copy
