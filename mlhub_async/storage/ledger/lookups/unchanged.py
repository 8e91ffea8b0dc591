"""Finds the items of a page of a listing that are complete and unchanged since an earlier run.

The row of an item's document has the fingerprint of the item (in the column `stamp`) from the moment when
the document and all assets are on disk until something is claimed for the item. Where the fingerprint is
the same in this run and the files are as recorded, nothing of the item has to be claimed or settled: its
own row alone is marked as seen, which counts for those of its assets too (`schema.run_of`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ....core.json_text import dumps, loads
from ...integrity import IsUnchanged
from ..schema import ABSENT, ASSET, DONE, ITEM

NUL = "\\u0000"
"""SQLite's JSON ends a text there: a page with such an id is not confirmed."""


class ItemFingerprint(NamedTuple):
    """An item and a digest of everything that its document and the paths of its assets depend on."""

    collection: str
    item: str
    fingerprint: str


@dataclass(slots=True)
class UnchangedItem:
    """Sizes and proofs of the assets of an item that has not changed since `run`; how many are `absent`."""

    run: int
    sizes: list[int] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)
    absent: int = 0


def confirm(
    database: sqlite3.Connection, is_unchanged: IsUnchanged, run: int, asked: Sequence[ItemFingerprint]
) -> list[UnchangedItem | None]:
    """For each item its assets if nothing of it has changed; they are marked as seen by this run.

    To be called inside a transaction. An item that this run has seen already is never confirmed.
    """
    first = {one[:2]: number for number, one in reversed(list(enumerate(asked))) if one.fingerprint}
    parameters = dumps([(*asked[number], number) for number in first.values()]).decode()
    if NUL in parameters:
        return [None] * len(asked)
    (found,) = database.execute(FILES, (parameters, run)).fetchone()
    unchanged = _unchanged_items(is_unchanged, loads(found))
    seen: dict[str, list[str]] = {}
    for number in unchanged:
        seen.setdefault(asked[number].collection, []).append(asked[number].item)
    for collection, items in seen.items():
        database.execute(SEEN, (run, collection, dumps(items).decode()))
    return [unchanged.get(number) for number in range(len(asked))]


def _unchanged_items(
    is_unchanged: IsUnchanged, files: list[tuple[int, int, int, str, int, int, int, str]]
) -> dict[int, UnchangedItem]:
    """The items, by number, all of whose files are as recorded."""
    found: dict[int, UnchangedItem] = {}
    changed = set()
    for number, run, role, path, state, size, mtime_ns, proof in files:
        if (known := found.get(number)) is None:
            known = found[number] = UnchangedItem(run)
        if state == ABSENT:
            known.absent += 1
            continue
        if state != DONE or not is_unchanged(path, size, mtime_ns):
            changed.add(number)
        if role == ASSET:
            known.sizes.append(size)
            known.proofs.append(proof)
    return {number: known for number, known in found.items() if number not in changed}


FILES = f"""SELECT json_group_array(json_array(asked.number, own.run, file.role, file.path, file.state,
    file.size, file.mtime_ns, file.proof))
  FROM (SELECT json_extract(value, '$[0]') AS collection, json_extract(value, '$[1]') AS item,
    json_extract(value, '$[2]') AS fingerprint, json_extract(value, '$[3]') AS number
    FROM json_each(?)) AS asked
  CROSS JOIN file AS own ON own.collection=asked.collection AND own.item=asked.item AND own.role={ITEM}
    AND own.key='' AND own.stamp=asked.fingerprint AND own.run<>?
  CROSS JOIN file ON file.collection=own.collection AND file.item=own.item AND file.role<={ITEM}
    AND file.run IN (own.run, own.validator)"""
"""One row for a page, since the sqlite3 module releases and takes the GIL for every row."""
SEEN = f"""UPDATE file SET validator=coalesce(nullif(validator, ''), run), run=? WHERE collection=?
  AND item IN (SELECT value FROM json_each(?)) AND role={ITEM} AND key=''"""
