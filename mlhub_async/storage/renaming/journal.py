"""The journal of a renaming: a table of the ledger with the old and the new path of every file.

It is written before the first file is renamed, and emptied when files, documents and receipt have the new
names. Until then a row of the ledger has the old path or the new one, and its file is at one of both.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..ledger.database import Statements
from ..ledger.schema import ASSET, COLLECTION, DONE, ITEM, RENAMING, run_of
from ..naming import fold

OLD_ROWS = "SELECT collection, item, path FROM file WHERE instr(path, '%')"
"""Rows of paths with a percent sign, which is in no name that `naming` makes."""


class Step(NamedTuple):
    """One file to rename. A step from a path to itself: the new name is taken, so the file keeps the old."""

    old: str
    new: str


class DocumentRow(NamedTuple):
    """The row of a document in the ledger."""

    collection: str
    item: str
    role: int
    path: str
    size: int
    mtime_ns: int
    sha256: str


def is_under_way(database: sqlite3.Connection) -> bool:
    """Whether a renaming has begun and not ended."""
    return _has_table(database) and database.execute("SELECT 1 FROM renaming LIMIT 1").fetchone() is not None


def begin(book: Statements) -> bool:
    """Write the journal where the ledger is of an earlier version; false if nothing has to be renamed."""
    database = book.database
    if not _has_table(database):
        with book.transaction():
            database.execute(f"CREATE TABLE {RENAMING}")
            rows = database.execute(OLD_ROWS).fetchall()
            database.executemany(
                "INSERT INTO renaming VALUES (?, ?, ?, ?, ?)", list(_planned(database, rows))
            )
        book.checkpoint()
    return is_under_way(database)


def _planned(
    database: sqlite3.Connection, rows: Sequence[tuple[str, str, str]]
) -> Iterable[tuple[str, str, str, str, str]]:
    from .names import present_path

    taken: set[str] = set()
    for collection, item, old in rows:
        new = present_path(old)
        key = fold(new)
        is_taken = key in taken or database.execute("SELECT 1 FROM file WHERE fold=?", (key,)).fetchone()
        taken.add(key)
        yield fold(old), old, old if is_taken else new, collection, item


def pending(database: sqlite3.Connection, limit: int = -1) -> list[Step]:
    """Steps whose row in the ledger has the old path."""
    rows = database.execute(
        "SELECT old, new FROM renaming JOIN file USING (fold) WHERE old<>new LIMIT ?", (limit,)
    )
    return [Step(old, new) for old, new in rows]


def steps(database: sqlite3.Connection) -> dict[str, str]:
    """All new paths by their old ones."""
    return dict(database.execute("SELECT old, new FROM renaming").fetchall())


def record(book: Statements, done: Iterable[Step], kept: Iterable[Step] = ()) -> None:
    """Give the rows of renamed files the new path; note those that keep the old one."""
    with book.transaction():
        book.database.executemany(
            "UPDATE file SET path=?, fold=? WHERE fold=?",
            [(step.new, fold(step.new), fold(step.old)) for step in done],
        )
        book.database.executemany("UPDATE renaming SET new=old WHERE old=?", [(step.old,) for step in kept])


def record_found(book: Statements, is_there: Callable[[str], bool]) -> None:
    """The same for files that a killed run has renamed: only the new name is there."""
    found = [step for step in pending(book.database) if not is_there(step.old) and is_there(step.new)]
    record(book, found)


def documents(database: sqlite3.Connection) -> list[DocumentRow]:
    """The documents that name a renamed file."""
    rows = database.execute(
        f"""SELECT collection, item, role, path, size, mtime_ns, sha256 FROM file WHERE state={DONE}
        AND (role={COLLECTION}
        OR (role={ITEM} AND (collection, item) IN (SELECT collection, item FROM renaming)))"""
    )
    return [DocumentRow(*row) for row in rows]


def settle_document(book: Statements, row: DocumentRow) -> None:
    """Record a document that is written with the new paths."""
    statement = "UPDATE file SET size=?, mtime_ns=?, sha256=? WHERE collection=? AND item=? AND role=?"
    book.database.execute(statement, (row.size, row.mtime_ns, row.sha256, row.collection, row.item, row.role))


def last_run(database: sqlite3.Connection) -> int:
    found = database.execute("SELECT max(id) FROM run").fetchone()[0]
    return int(found or 0)


def old_manifest(database: sqlite3.Connection, run: int) -> str:
    """The manifest of a run, as its receipt has it, with the names of before the renaming."""
    old = {new: old for old, new in steps(database).items()}
    rows = database.execute(
        f"SELECT path, size, sha256 FROM file WHERE state=? AND role=? AND {run_of('file')}=?",
        (DONE, ASSET, run),
    )
    lines = sorted(f"{old.get(path, path)} {size} {sha256}\n".encode() for path, size, sha256 in rows)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def end(book: Statements) -> None:
    with book.transaction():
        book.database.execute("DELETE FROM renaming")


def _has_table(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name='renaming'").fetchone()
    return found is not None
