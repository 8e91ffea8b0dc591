"""Hides how a ledger is read without changing anything in DEST, even after a run that was killed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
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
from ...storage.ledger.schema import VERSION
from ...storage.ledger.write_behind import WriteAheadLog

LEDGER = in_state(LEDGER_FILE)
RECEIPT = in_state(RECEIPT_FILE)


@dataclass(frozen=True, slots=True)
class Past:
    """The ledger as the last run left it. `ended`: in order, and not killed or still going on."""

    book: Statements
    run: int
    ended: bool


def _is_unchanged(dest: Path, path: str, size: int, mtime_ns: int) -> bool:
    return is_unchanged(f"{dest}/{path}", size, mtime_ns)


@contextmanager
def reading(dest: Path) -> Iterator[Past]:
    """The ledger of DEST, for one thread at a time.

    Raises `UsageError` if there is none that this program can read, sqlite3.DatabaseError for a broken one.
    """
    if not os.path.isfile(dest / LEDGER):
        raise UsageError(f"no mirror at {term_safe(dest, 300)}: there is no {LEDGER}")
    with ExitStack() as stack:
        database = _opened(dest / LEDGER, stack)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise UsageError(f"{LEDGER} was written by a newer mlhub-async (format {version}); use that one")
        last = database.execute("SELECT id, finished FROM run ORDER BY id DESC LIMIT 1").fetchone()
        run, finished = last or (0, None)
        yield Past(Statements(database, partial(_is_unchanged, dest)), run, finished is not None)


def _opened(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """Where it is, if it was closed in order; else a copy, with what only its journal knows added."""
    try:
        if _in_order(path):
            return stack.enter_context(closing(_connect(path, "immutable=1")))
        return _copied(path, stack)
    except OSError as error:
        raise StorageError(f"{LEDGER}: cannot be read ({error.strerror or type(error).__name__})") from None


def receipt_of(dest: Path) -> dict[str, Any] | None:
    """The receipt of the last run; None if there is none. Raises ValueError for one that is no receipt."""
    try:
        receipt = orjson.loads((dest / RECEIPT).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error.strerror) from None
    if not isinstance(receipt, dict):
        raise ValueError("not a JSON object")
    return receipt


def _in_order(path: Path) -> bool:
    journals = (path.with_name(name) for name in WRITE_AHEAD_LOG_FILES)
    return not _log(path).exists() and not any(one.exists() and one.stat().st_size for one in journals)


def _log(path: Path) -> Path:
    """What SQLite has not folded in yet; it is there only while the ledger is open, or after a kill."""
    return path.with_name(f"{path.name}-wal")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False
    )


def _copied(path: Path, stack: ExitStack) -> sqlite3.Connection:
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="mlhub-async-")))
    for journal in WRITE_AHEAD_LOG_FILES:
        if path.with_name(journal).exists():
            shutil.copyfile(path.with_name(journal), folder / journal)
    copy = sqlite3.connect(folder / path.name, isolation_level=None, check_same_thread=False)
    stack.enter_context(closing(copy))
    with closing(_connect(path, "mode=ro" if _log(path).exists() else "immutable=1")) as original:
        original.backup(copy)
    with closing(WriteAheadLog(folder)) as journals:
        Statements(copy, partial(_is_unchanged, path.parent.parent)).settle(journals.uncommitted())
    return copy
