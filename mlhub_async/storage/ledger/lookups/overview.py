"""What a ledger says of a mirror as a whole: its runs, its items, when its files were finished."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ..schema import ASSET, DONE, FAILED, ITEM, PLANNED


class RunRow(NamedTuple):
    """One run. `finished` and `exit_code` are None for one that was killed or is still going on."""

    number: int
    source: str
    selection: str
    """JSON"""
    started: str
    finished: str | None
    exit_code: int | None


class ItemTotals(NamedTuple):
    """The assets of one item; `item` is "" for the assets of the collection itself.

    `document` is the path of the item's document, None where none is written. `bytes` are those on disk,
    `planned` are assets without an outcome.
    """

    collection: str
    item: str
    document: str | None
    done: int
    bytes: int
    by_checksum: int
    by_size: int
    failed: int
    planned: int


def last_runs(database: sqlite3.Connection, count: int) -> list[RunRow]:
    """The last runs, the newest first. Their numbers are in the order of their beginning: a run may have got
    the id of an earlier one (see `carried.take_over`)."""
    (last,) = database.execute("SELECT count(*) FROM run").fetchone()
    rows = database.execute(
        "SELECT source, selection, started, finished, exit_code FROM run"
        " ORDER BY started DESC, id DESC LIMIT ?",
        (count,),
    )
    return [RunRow(last - older, *row) for older, row in enumerate(rows)]


def item_totals(database: sqlite3.Connection) -> Iterator[ItemTotals]:
    """One for each item and each collection with assets of its own, in the order of their ids."""
    rows = database.execute(
        f"""SELECT collection, item, max(CASE WHEN role={ITEM} AND state={DONE} THEN path END),
          sum(role={ASSET} AND state={DONE}),
          sum(CASE WHEN role={ASSET} AND state={DONE} THEN size ELSE 0 END),
          sum(role={ASSET} AND state={DONE} AND proof='checksum'),
          sum(role={ASSET} AND state={DONE} AND proof='size'),
          sum(role={ASSET} AND state={FAILED}), sum(role={ASSET} AND state={PLANNED})
        FROM file WHERE role IN ({ASSET}, {ITEM}) GROUP BY collection, item"""
    )
    return (ItemTotals(*row) for row in rows)


def finished_between(
    database: sqlite3.Connection, earliest_ns: int, first_ns: int, step_ns: int, steps: int
) -> list[tuple[int, int, int]]:
    """The number of each step with assets that were written in it, how many, and their bytes.

    By their modification times, in nanoseconds since 1970. Those from `earliest_ns` on, before `first_ns`,
    count in the first step.
    """
    return database.execute(
        "SELECT max(mtime_ns - ?, 0) / ?, count(*), sum(size) FROM file"
        " WHERE role=? AND state=? AND mtime_ns BETWEEN ? AND ? GROUP BY 1 ORDER BY 1",
        (first_ns, step_ns, ASSET, DONE, earliest_ns, first_ns + steps * step_ns - 1),
    ).fetchall()


def last_written_ns(database: sqlite3.Connection) -> int | None:
    """When the newest asset was written; None where there is none."""
    asked = "SELECT max(mtime_ns) FROM file WHERE role=? AND state=?"
    newest = database.execute(asked, (ASSET, DONE)).fetchone()[0]
    return None if newest is None else int(newest)


class StoredAsset(NamedTuple):
    """An asset on disk. `document`: the path of its item's document, None where none is written."""

    collection: str
    item: str
    key: str
    path: str
    size: int
    sha256: str
    document: str | None


def stored_assets(database: sqlite3.Connection) -> Iterator[StoredAsset]:
    """All assets that have a digest, in the order of collections, items and keys."""
    rows = database.execute(
        f"""SELECT collection, item, key, path, size, sha256,
          (SELECT path FROM file AS owner WHERE owner.collection=file.collection AND owner.item=file.item
            AND owner.role={ITEM} AND owner.key='' AND owner.state={DONE} AND file.item<>'')
        FROM file WHERE role={ASSET} AND state={DONE} AND sha256<>'' ORDER BY collection, item, role, key"""
    )
    return (StoredAsset(*row) for row in rows)
