"""What the documents of items were that were read in the last complete listing and since: a row per URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from ..schema import ITEM

TABLE = """CREATE TABLE IF NOT EXISTS item_document (url INTEGER PRIMARY KEY, collection TEXT NOT NULL,
  item TEXT NOT NULL, answered TEXT NOT NULL, validator TEXT NOT NULL, modified REAL NOT NULL)"""


class ItemDocument(NamedTuple):
    """The document at one URL, given as a hash of it. `item` "": it was of no item that was selected.

    `answered`: the URL after redirects; `validator` and `modified` (seconds since 1970) are of its version.
    """

    url: int
    collection: str
    item: str
    answered: str
    validator: str
    modified: float


def forget_documents(database: sqlite3.Connection) -> None:
    """Delete all rows: a full listing begins."""
    database.execute(TABLE)
    database.execute("DELETE FROM item_document")


def note_documents(database: sqlite3.Connection, rows: Sequence[ItemDocument]) -> None:
    """To be called inside a transaction."""
    database.executemany("INSERT OR REPLACE INTO item_document VALUES (?, ?, ?, ?, ?, ?)", rows)


def find_document(database: sqlite3.Connection, url: int, run: int) -> tuple[ItemDocument, str] | None:
    """What is known of a URL, and the fingerprint of its item; None if `run` has not left that complete."""
    row = database.execute(FIND, (url, run)).fetchone()
    return None if row is None else (ItemDocument(*row[:-1]), row[-1])


FIND = f"""SELECT known.*, coalesce(file.stamp, '') FROM item_document AS known
  LEFT JOIN file ON file.collection=known.collection AND file.item=known.item AND file.role={ITEM}
    AND file.key='' AND file.run=?2 AND file.stamp<>''
  WHERE known.url=?1 AND (known.item='' OR file.stamp IS NOT NULL)"""
