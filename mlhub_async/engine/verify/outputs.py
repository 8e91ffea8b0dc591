"""Refuses a file that an option names if writing it would replace a file of a mirror."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ...core.errors import MlhubError, UsageError
from ...core.urls import term_safe
from ...storage.layout import CATALOG_FILE, LEDGER_FILE, REPORT_FILE, SHARDS_DIR, STATE_DIR, in_state
from ...storage.naming import fold
from .snapshot import open_snapshot


def refuse_mirror_file(file: str | os.PathLike[str], option: str) -> None:
    """Raise `UsageError` where `file` is one that a mirror has fetched or written, whichever mirror it is in.

    Other files are replaced, also in a mirror: they may be what the same command wrote before. Of the state
    directory that is the report alone. Nothing is asked where there is no file.
    """
    place = Path(os.path.realpath(file))
    if not place.is_file():
        return
    for folder in place.parents:
        if _is_mirror(folder) and _has(folder, place.relative_to(folder).as_posix()):
            raise UsageError(
                f"{option} {term_safe(os.fspath(file), 300)} is a file of the mirror in "
                f"{term_safe(os.fspath(folder), 300)}: give another name"
            )


def _is_mirror(folder: Path) -> bool:
    state = folder / STATE_DIR
    return (state / LEDGER_FILE).exists() or (state / SHARDS_DIR).exists()


def _has(folder: Path, path: str) -> bool:
    """Where no ledger tells, as with shards that are not merged, every file counts."""
    if path.startswith(in_state("")):
        return path != in_state(REPORT_FILE)
    if path == CATALOG_FILE:
        return True
    try:
        with open_snapshot(folder) as snapshot:
            rows = snapshot.statements.database.execute("SELECT 1 FROM file WHERE fold=?", (fold(path),))
            return rows.fetchone() is not None
    except (MlhubError, sqlite3.DatabaseError):
        return True
