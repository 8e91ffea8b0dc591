"""Which items have nothing left to do: asked and answered for a page of a listing at once.

A row of an item's document has a seal while nothing was claimed for the item since the document was
finished with all its assets on disk. Where the seal is still the same and the files are as they were left,
that is the whole proof: nothing of the item has to be worked out, claimed or settled.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from .claims import NUL
from .schema import ASSET, DONE, ITEM


class Sealed(NamedTuple):
    """An item and the digest of all that its document and the places of its assets depend on."""

    collection: str
    item: str
    seal: str


class Confirmed(NamedTuple):
    """The assets of an item of which nothing has changed: how many, their bytes, and their proofs."""

    assets: int
    bytes: int
    proofs: Counter[str]


def confirm(
    database: sqlite3.Connection, root: str, run: int, asked: Sequence[Sealed]
) -> list[Confirmed | None]:
    """For each item its assets if there is nothing to do for it; then this run has seen them.

    To be called inside a transaction. An item that this run has seen already is never confirmed.
    """
    first = {one[:2]: number for number, one in reversed(list(enumerate(asked)))}
    question = orjson.dumps([(*asked[number], number) for number in first.values()]).decode()
    if NUL in question:
        return [None] * len(asked)
    (found,) = database.execute(FILES, (question, run)).fetchone()
    answers: list[Confirmed | None] = [None] * len(asked)
    files: dict[int, list[_File]] = {}
    for number, *file in orjson.loads(found):
        files.setdefault(number, []).append(_File(*file))
    for number, its in files.items():
        if all(_as_left(root, file) for file in its):
            answers[number] = _counted(its)
    seen = orjson.dumps([asked[number][:2] for number, answer in enumerate(answers) if answer]).decode()
    database.execute(SEEN, (seen, run))
    return answers


class _File(NamedTuple):
    role: int
    path: str
    state: int
    size: int
    mtime_ns: int
    proof: str


def _as_left(root: str, file: _File) -> bool:
    if file.state != DONE:
        return False
    try:
        found = os.stat(f"{root}/{file.path}", follow_symlinks=False)
    except (OSError, ValueError):
        return False
    same = found.st_mtime_ns == file.mtime_ns and found.st_size == file.size
    return same and stat.S_ISREG(found.st_mode)


def _counted(files: Sequence[_File]) -> Confirmed:
    assets = [file for file in files if file.role == ASSET]
    return Confirmed(len(assets), sum(file.size for file in assets), Counter(file.proof for file in assets))


FILES = f"""SELECT json_group_array(json_array(asked.number, file.role, file.path, file.state, file.size,
    file.mtime_ns, file.proof))
  FROM (SELECT json_extract(value, '$[0]') AS collection, json_extract(value, '$[1]') AS item,
    json_extract(value, '$[2]') AS seal, json_extract(value, '$[3]') AS number FROM json_each(?1)) AS asked
  CROSS JOIN file AS own ON own.collection=asked.collection AND own.item=asked.item AND own.role={ITEM}
    AND own.key='' AND own.stamp=asked.seal AND own.run<>?2
  CROSS JOIN file ON file.collection=own.collection AND file.item=own.item AND file.role<={ITEM}
    AND file.run=own.run"""
"""One row for a page, since SQLite gives Python's lock away at every row."""
SEEN = f"""UPDATE file SET run=?2
  FROM (SELECT json_extract(value, '$[0]') AS collection, json_extract(value, '$[1]') AS item
    FROM json_each(?1)) AS asked
  CROSS JOIN file AS own ON own.collection=asked.collection AND own.item=asked.item AND own.role={ITEM}
    AND own.key=''
  WHERE file.collection=own.collection AND file.item=own.item AND file.role<={ITEM} AND file.run=own.run"""
