"""What a person looks for in a mirror: its collections with counts, items by page, the files of an item."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from ...naming import fold
from ..schema import ABSENT, ASSET, COLLECTION, DONE, ITEM

Database = sqlite3.Connection


class FileRow(NamedTuple):
    """A file of the mirror as the ledger has it; `sha256` "" and `size` None where they are not known."""

    collection: str
    item: str
    role: int
    key: str
    path: str
    state: int
    size: int | None
    mtime_ns: int | None
    sha256: str
    proof: str
    error: str

    @property
    def is_there(self) -> bool:
        return self.state == DONE

    def is_as_recorded(self, size: int, mtime_ns: int) -> bool:
        return self.is_there and (self.size, self.mtime_ns) == (size, mtime_ns)


class CollectionRow(NamedTuple):
    """Numbers of one collection. `missing`: assets that failed or have not ended."""

    id: str
    items: int
    assets: int
    missing: int
    bytes: int


class ItemRow(NamedTuple):
    """An item with the numbers of its assets. `path`: of its document, which is on disk if `is_there`."""

    id: str
    path: str
    is_there: bool
    assets: int
    missing: int
    bytes: int


_FILE = """SELECT collection, item, role, key, path, state, size, mtime_ns, coalesce(sha256, ''),
  coalesce(proof, ''), coalesce(error, '') FROM file"""
_NUMBERS = f"""sum(role={ASSET} AND state={DONE}), sum(role={ASSET} AND state NOT IN ({DONE}, {ABSENT})),
  coalesce(sum(CASE WHEN role={ASSET} AND state={DONE} THEN size END), 0)"""


def file_at(database: sqlite3.Connection, path: str) -> FileRow | None:
    """The file with exactly this path."""
    row = database.execute(f"{_FILE} WHERE fold=? AND path=?", (fold(path), path)).fetchone()
    return FileRow(*row) if row else None


def collection_rows(database: sqlite3.Connection) -> list[CollectionRow]:
    """All collections in the order of their ids; reads every row once."""
    counted = database.execute(
        f"SELECT collection, sum(role={ITEM}), {_NUMBERS} FROM file"
        f" WHERE role IN ({ASSET}, {ITEM}, {COLLECTION}) GROUP BY collection ORDER BY collection"
    )
    rows = [CollectionRow(*row) for row in counted]
    return [row for row in rows if row.id or row.items or row.assets or row.missing]


def items_after(database: sqlite3.Connection, collection: str, item: str, limit: int) -> list[ItemRow]:
    """Items of a collection whose ids follow `item`, in the order of ids."""
    return _items(database, collection, "> ?", "ASC", (collection, item, limit))


def items_from(database: sqlite3.Connection, collection: str, item: str, limit: int) -> list[ItemRow]:
    """The same, beginning with `item` itself."""
    return _items(database, collection, ">= ?", "ASC", (collection, item, limit))


def items_before(database: sqlite3.Connection, collection: str, item: str, limit: int) -> list[ItemRow]:
    """The last items whose ids come before `item`, in the order of ids."""
    return _items(database, collection, "< ?", "DESC", (collection, item, limit))[::-1]


def _items(
    database: sqlite3.Connection, collection: str, comparison: str, order: str, values: tuple[str, str, int]
) -> list[ItemRow]:
    found = database.execute(
        f"SELECT item, path, state={DONE} FROM file WHERE collection=? AND item {comparison} AND role={ITEM}"
        f" ORDER BY item {order} LIMIT ?",
        values,
    ).fetchall()
    return [
        ItemRow(item, path, bool(there), *_numbers(database, collection, item)) for item, path, there in found
    ]


def _numbers(database: sqlite3.Connection, collection: str, item: str) -> tuple[int, int, int]:
    return database.execute(  # type: ignore[no-any-return]
        f"SELECT {_NUMBERS} FROM file WHERE collection=? AND item=?", (collection, item)
    ).fetchone()


def files_of(database: sqlite3.Connection, collection: str, item: str) -> list[FileRow]:
    """The document and the assets of an item, or of a collection (`item` ""), those that are missing too."""
    rows = database.execute(
        f"{_FILE} WHERE collection=? AND item=? ORDER BY role DESC, key", (collection, item)
    )
    return [FileRow(*row) for row in rows]


def collection_body(database: sqlite3.Connection, collection: str) -> bytes:
    """The document of a collection as its source gave it; empty where none did."""
    row = database.execute("SELECT body FROM collection WHERE id=?", (collection,)).fetchone()
    return bytes(row[0]) if row and row[0] else b""


def linked_items(database: sqlite3.Connection, collection: str, item: str, limit: int) -> list[FileRow]:
    """The documents of the items that the links of an item lead to: of a label its source imagery."""
    if not _has_links(database):
        return []
    rows = database.execute(
        "SELECT path FROM item_link WHERE collection=? AND item=? AND path<>'' ORDER BY number LIMIT ?",
        (collection, item, limit),
    ).fetchall()
    return [row for (path,) in rows if (row := file_at(database, path))]


def linking_items(database: sqlite3.Connection, path: str, limit: int) -> list[tuple[str, str]]:
    """Collection and id of items with a link to the item whose document is at `path`; reads all links."""
    if not _has_links(database):
        return []
    statement = "SELECT DISTINCT collection, item FROM item_link WHERE path=? LIMIT ?"
    return database.execute(statement, (path, limit)).fetchall()


def _has_links(database: sqlite3.Connection) -> bool:
    """Ledgers of earlier versions that no run has opened since have no table of links."""
    return database.execute("SELECT 1 FROM sqlite_master WHERE name='item_link'").fetchone() is not None
