"""Who gets which place: the claims of one page of a listing, asked and answered together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...core.model import Asset, Proof, Record
from ..naming import distinct, fold
from .rows import in_steps, rows_changed
from .schema import ASSET, COLLECTION, DONE, ITEM, PLANNED

Identity = tuple[str, str, int, str]
"""collection, item, role, asset key: what a row is known by."""
Known = tuple[str, int, int, int, int, str, str, str, str]
"""path, run, state, size, mtime_ns, sha256, proof, validator, stamp of a row that was there before."""
IsUnchanged = Callable[[str, int, int], bool]
"""Whether the file at a path has this size and mtime (ns)."""


class PathRequest(NamedTuple):
    """An asset and the path it would like to have. `suffix_pending`: the path's suffix is still to come."""

    asset: Asset
    path: str
    suffix_pending: bool


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """One item with the assets that are wanted of it.

    `path` is that of the item's own document; an item of "" stands for the collection itself.
    """

    collection: str
    item: str
    path: str
    assets: Sequence[PathRequest]

    @property
    def identity(self) -> Identity:
        return self.collection, self.item, ITEM if self.item else COLLECTION, ""


class Claim(NamedTuple):
    """The place that an asset was given. `known`: its file is there as an earlier run left it.

    `current`: and the catalogue says nothing else of it than it did then. `unsure`: the file must be read
    before that is believed. `known_url`: a finished file has its URL already.
    """

    asset: Asset
    path: str
    known: Record | None = None
    current: bool = False
    suffix_pending: bool = False
    unsure: bool = False
    known_url: bool = False


class ClaimResult(NamedTuple):
    """What one owner was given. `document`: the record of its document as last written."""

    path: str
    document: Record | None
    claims: list[Claim]


class Claims:
    """The claims of one batch. Make one inside a transaction, `answers` once."""

    def __init__(
        self,
        database: sqlite3.Connection,
        is_unchanged: IsUnchanged,
        run: int,
        wanted: Sequence[ClaimRequest],
    ) -> None:
        self._db = database
        self._is_unchanged = is_unchanged
        self._run = run
        self._wanted = wanted
        self._known: dict[Identity, Known] = {}
        self._touched: list[Identity] = []

    def answers(self, *, new: bool) -> list[ClaimResult | None]:
        """For each owner what it was given; None for an item that was seen in this run before.

        `new`: probably none of them is known, so it is tried first whether they can all be put in.
        """
        asked = list(self._rows())
        if new and self._all_new(asked):
            return [_granted(entry) for entry in self._wanted]
        identities = [row[:4] for row in asked]
        self._known = {row[:4]: row[4:] for found in in_steps(self._db, KNOWN, identities) for row in found}
        if not new and not self._known and self._all_new(asked):
            return [_granted(entry) for entry in self._wanted]
        answers = [self._claim_item(entry) for entry in self._wanted]
        rows_changed(self._db, TOUCH, [(*identity, self._run) for identity in self._touched])
        return answers

    def _rows(self) -> Iterator[tuple[str, str, int, str, str, str, str, int, int]]:
        run = self._run
        for entry in self._wanted:
            yield (*entry.identity, entry.path, fold(entry.path), "", PLANNED, run)
            for asset, path, _ in entry.assets:
                identity = asset.collection, asset.item, ASSET, asset.key
                yield (*identity, path, fold(path), asset.stamp, PLANNED, run)

    def _all_new(self, asked: Sequence[Sequence[object]]) -> bool:
        """Put all rows in at once; false, and nothing done, if one of them is there already or collides."""
        self._db.execute("SAVEPOINT claims")
        complete = rows_changed(self._db, INSERT, asked) == len(asked)
        if not complete:
            self._db.execute("ROLLBACK TO claims")
        self._db.execute("RELEASE claims")
        return complete

    def _claim_item(self, wanted: ClaimRequest) -> ClaimResult | None:
        identity, document = wanted.identity, None
        row = self._known.get(identity)
        if row is None:
            path = self._insert(identity, wanted.path, "")
        else:
            path, run, _, size, mtime_ns, sha256, *_ = row
            if run == self._run and wanted.item:
                return None
            self._touch(identity, row)
            document = Record(path, size, sha256, mtime_ns, Proof.NONE) if sha256 else None
        claims = [claim for wish in wanted.assets if (claim := self._claim_asset(wish))]
        return ClaimResult(path, document, claims)

    def _claim_asset(self, wish: PathRequest) -> Claim | None:
        asset, wished, suffix_pending = wish
        identity = (asset.collection, asset.item, ASSET, asset.key)
        row = self._known.get(identity)
        if row is None:
            return Claim(asset, self._insert(identity, wished, asset.stamp), suffix_pending=suffix_pending)
        path, run, state, size, mtime_ns, sha256, proof, validator, stamp = row
        if run == self._run:
            return None
        suffix_pending = suffix_pending and path == wished  # else it has got its suffix already
        self._touch(identity, row)
        if state != DONE or not self._is_unchanged(path, size, mtime_ns):
            return Claim(asset, path, suffix_pending=suffix_pending)
        record = Record(path, size, sha256, mtime_ns, Proof(proof), validator)
        return Claim(asset, path, record, stamp == asset.stamp, suffix_pending)

    def _insert(self, identity: Identity, path: str, stamp: str) -> str:
        """The path given to a row that is new: the one it wishes, or one beside it if that is taken."""
        for attempt in range(3):
            row = (*identity, path, fold(path), stamp, PLANNED, self._run)
            if rows_changed(self._db, INSERT, [row]):
                self._known[identity] = (path, self._run, PLANNED, 0, 0, "", "", "", stamp)
                return path
            path = distinct(path, f"{attempt or ''}" + "\0".join(map(str, identity)))
        raise AssertionError(f"no free place for {identity}")

    def _touch(self, identity: Identity, row: Known) -> None:
        """This run has seen the row: now, and for whoever asks again within the batch."""
        self._known[identity] = (row[0], self._run, *row[2:])
        self._touched.append(identity)


def _granted(wanted: ClaimRequest) -> ClaimResult:
    claims = [Claim(wish.asset, wish.path, suffix_pending=wish.suffix_pending) for wish in wanted.assets]
    return ClaimResult(wanted.path, None, claims)


COLUMNS = """file.collection, file.item, file.role, file.key, path, run, state, size, mtime_ns, sha256,
  proof, validator, stamp"""
SAME = """file.collection=asked.column1 AND file.item=asked.column2 AND file.role=asked.column3
  AND file.key=asked.column4"""
KNOWN = f"SELECT {COLUMNS} FROM ({{}}) AS asked CROSS JOIN file ON {SAME}"
TOUCH = f"""UPDATE file SET run=asked.column5, stamp=CASE file.role WHEN {ITEM} THEN '' ELSE stamp END
  FROM ({{}}) AS asked WHERE {SAME}"""
"""What is claimed for an item breaks its seal: see `seals`."""
INSERT = "INSERT OR IGNORE INTO file (collection, item, role, key, path, fold, stamp, state, run) {}"
