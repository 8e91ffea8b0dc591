"""Which items of the mirror link to which: two tables beside that of files.

`item_address` has the URLs that lead to an item, `item_link` those that the links of an item lead to, both
as hashes. `item_link.path` is where a link in the document on disk leads: the path of the other item, "" out
of the mirror, NULL where that is not known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..claims.assignment import ClaimRequest, ClaimResult
from ..rows import rows_changed
from ..schema import DONE, ITEM

Owner = tuple[str, str]
"""Collection and id of an item."""
BATCH = 500
"""Items whose links are looked up at a time."""


class OutdatedDocument(NamedTuple):
    """The document of an item with links that lead elsewhere than they should.

    `before`: the paths that its links lead to, as far as known, by number; `after`: those that they should.
    """

    owner: Owner
    path: str
    sha256: str
    before: dict[int, str]
    after: dict[int, str]


def note_claimed(
    database: sqlite3.Connection,
    wanted: Sequence[ClaimRequest],
    results: Sequence[ClaimResult | None],
    *,
    new: bool,
) -> None:
    """Note addresses and links of claimed items; inside a transaction. `new`: the ledger is."""
    note_addresses(database, ((one.collection, one.item, url) for one in wanted for url in one.addresses))
    claimed = [one for one, result in zip(wanted, results, strict=True) if result is not None]
    if not new:
        database.executemany(FORGET_LINKS, [(one.collection, one.item) for one in claimed])
    links = [(one.collection, one.item, *link) for one in claimed for link in one.links]
    rows_changed(database, "INSERT OR REPLACE INTO item_link (collection, item, number, url) {}", links)


def note_addresses(database: sqlite3.Connection, rows: Iterable[tuple[str, str, int]]) -> None:
    """Note the hashes of URLs that lead to items: collection, item, hash."""
    rows_changed(database, "INSERT OR IGNORE INTO item_address {}", list(rows))


def related_paths(database: sqlite3.Connection, owner: Owner) -> dict[int, str]:
    """The paths of the items in the mirror that the links of an item should lead to, by number."""
    database.execute(INDEX)
    statement = f"SELECT number, {TARGET} AS now FROM item_link WHERE collection=? AND item=?"
    return {number: now for number, now in database.execute(statement, owner) if now}


def note_written(database: sqlite3.Connection, owner: Owner, paths: Mapping[int, str]) -> None:
    """Note where the links in the written document of an item lead."""
    database.execute("UPDATE item_link SET path='' WHERE collection=? AND item=?", owner)
    database.executemany(
        "UPDATE item_link SET path=? WHERE collection=? AND item=? AND number=?",
        [(path, *owner, number) for number, path in paths.items()],
    )


def outdated_documents(database: sqlite3.Connection) -> Iterator[list[OutdatedDocument]]:
    """Batches of the documents on disk whose links are to be changed; each may be noted as written."""
    if database.execute("SELECT 1 FROM item_link LIMIT 1").fetchone() is None:
        return
    database.execute(INDEX)
    last: Owner = ("", "")
    while owners := database.execute(OUTDATED, (*last, BATCH)).fetchall():
        found = [_outdated(database, owner) for owner in owners]
        yield [one for one in found if one is not None]
        last = owners[-1]


def _outdated(database: sqlite3.Connection, owner: Owner) -> OutdatedDocument | None:
    document = database.execute(DOCUMENT, owner).fetchone()
    if document is None:
        return None
    path, sha256 = document
    statement = "SELECT number, path FROM item_link WHERE collection=? AND item=?"
    before = {number: path for number, path in database.execute(statement, owner) if path}
    return OutdatedDocument(owner, path, sha256, before, related_paths(database, owner))


def settle_rewritten(
    database: sqlite3.Connection, one: OutdatedDocument, size: int, mtime_ns: int, sha256: str
) -> None:
    """Record a document that was written again; inside a transaction."""
    database.execute(
        "UPDATE file SET size=?, mtime_ns=?, sha256=? WHERE collection=? AND item=? AND role=? AND key=''",
        (size, mtime_ns, sha256, *one.owner, ITEM),
    )
    note_written(database, one.owner, one.after)


def forget_items(database: sqlite3.Connection, owners: Sequence[Owner]) -> None:
    """Delete what is noted about items that leave the mirror; inside a transaction."""
    database.executemany(FORGET_LINKS, owners)
    database.executemany("DELETE FROM item_address WHERE collection=? AND item=?", owners)


FORGET_LINKS = "DELETE FROM item_link WHERE collection=? AND item=?"
INDEX = "CREATE INDEX IF NOT EXISTS item_by_address ON item_address (url)"
"""Created where the first item with links was met: for all others it would be a cost without a use."""
TARGET = f"""(SELECT CASE count(*) WHEN 1 THEN min(file.path) ELSE '' END FROM item_address AS address
  CROSS JOIN file ON file.collection=address.collection AND file.item=address.item AND file.role={ITEM}
    AND file.key='' AND file.state={DONE} WHERE address.url=item_link.url)"""
"""The path of the item that a link leads to; "" for none, or several that claim the same address."""
OUTDATED = f"""SELECT DISTINCT collection, item FROM item_link
  WHERE (collection, item) > (?, ?) AND path IS NOT {TARGET} ORDER BY collection, item LIMIT ?"""
DOCUMENT = f"""SELECT path, sha256 FROM file WHERE collection=? AND item=? AND role={ITEM} AND key=''
  AND state={DONE}"""
