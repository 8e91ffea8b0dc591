"""Which items have nothing left to do: asked and answered for a page of a listing at once.

A row of an item's document has a seal while nothing was claimed for the item since the document was
finished with all its assets on disk. Where the seal is still the same and the files are as they were left,
that is the whole proof: nothing of the item has to be worked out, claimed or settled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from .claims import IsUnchanged
from .schema import ASSET, DONE, ITEM

NUL = "\\u0000"
"""SQLite's JSON ends a text there: items with it in their ids are not confirmed but looked at."""


class ItemFingerprint(NamedTuple):
    """An item and the digest of all that its document and the places of its assets depend on."""

    collection: str
    item: str
    seal: str


class UnchangedItem(NamedTuple):
    """The sizes and the proofs of the assets of an item of which nothing has changed since a run saw it."""

    run: int
    sizes: list[int]
    proofs: list[str]


def confirm(
    database: sqlite3.Connection, is_unchanged: IsUnchanged, run: int, asked: Sequence[ItemFingerprint]
) -> list[UnchangedItem | None]:
    """For each item its assets if there is nothing to do for it; then this run has seen them.

    To be called inside a transaction. An item that this run has seen already is never confirmed.
    """
    first = {one[:2]: number for number, one in reversed(list(enumerate(asked))) if one.seal}
    question = orjson.dumps([(*asked[number], number) for number in first.values()]).decode()
    if NUL in question:
        return [None] * len(asked)
    (found,) = database.execute(FILES, (question, run)).fetchone()
    counted = _counted(is_unchanged, orjson.loads(found))
    seen: dict[tuple[str, int], list[str]] = {}
    for number, known in counted.items():
        seen.setdefault((asked[number].collection, known.run), []).append(asked[number].item)
    for (collection, earlier), items in seen.items():
        database.execute(SEEN, (run, collection, orjson.dumps(items).decode(), earlier))
    return [counted.get(number) for number in range(len(asked))]


def _counted(
    is_unchanged: IsUnchanged, files: list[tuple[int, int, int, str, int, int, int, str]]
) -> dict[int, UnchangedItem]:
    """The items, by their numbers, all of whose files are as they were left."""
    found: dict[int, UnchangedItem] = {}
    changed = set()
    for number, run, role, path, state, size, mtime_ns, proof in files:
        if state != DONE or not is_unchanged(path, size, mtime_ns):
            changed.add(number)
        if (known := found.get(number)) is None:
            known = found[number] = UnchangedItem(run, [], [])
        if role == ASSET:
            known.sizes.append(size)
            known.proofs.append(proof)
    return {number: known for number, known in found.items() if number not in changed}


FILES = f"""SELECT json_group_array(json_array(asked.number, own.run, file.role, file.path, file.state,
    file.size, file.mtime_ns, file.proof))
  FROM (SELECT json_extract(value, '$[0]') AS collection, json_extract(value, '$[1]') AS item,
    json_extract(value, '$[2]') AS seal, json_extract(value, '$[3]') AS number FROM json_each(?)) AS asked
  CROSS JOIN file AS own ON own.collection=asked.collection AND own.item=asked.item AND own.role={ITEM}
    AND own.key='' AND own.stamp=asked.seal AND own.run<>?
  CROSS JOIN file ON file.collection=own.collection AND file.item=own.item AND file.role<={ITEM}
    AND file.run=own.run"""
"""One row for a page, since SQLite gives Python's lock away at every row."""
SEEN = f"""UPDATE file SET run=? WHERE collection=? AND item IN (SELECT value FROM json_each(?))
  AND role<={ITEM} AND run=?"""
