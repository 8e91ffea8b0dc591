"""Assigns paths to the assets of one page of a listing, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ....core.model import Asset, Proof, Record
from ...integrity import IsUnchanged
from ...naming import distinct, distinct_document, fold
from ..rows import PlannedRow, execute_in_chunks, rows_changed
from ..schema import ABSENT, ASSET, COLLECTION, DONE, ITEM, PLANNED
from .planned import Identity, PlannedRows, insert_planned

Known = tuple[str, int, int, int, int, str, str, str, str]
"""path, run, state, size, mtime_ns, sha256, proof, validator, stamp of an existing row."""


class Claim(NamedTuple):
    """An asset, and the path that it should get, or was given. `suffix_pending`: the suffix of the path is
    not known yet. What follows is known of an asset that was given its path.

    `known`: the record of its file, which an earlier run finished. `current`: the catalogue has not changed
    its description since. `unsure`: the file must be read first, as its record is not from the ledger, or its
    size or mtime is another one. `known_url`: there is a finished file that was fetched from its URL.
    `touched`: the mtime is another one, and that of `known` by now. `absent`: its source did not have the
    file, which need not exist. `displaced`: the path is not that which a file of a directory must have.
    """

    asset: Asset
    path: str
    suffix_pending: bool = False
    known: Record | None = None
    current: bool = False
    unsure: bool = False
    known_url: bool = False
    touched: bool = False
    absent: bool = False
    displaced: bool = False


class ClaimRequest(NamedTuple):
    """One item with its selected assets.

    `path` is that of the item's own document; an item of "" stands for the collection itself. `place` gives
    the assets other paths, by the name of the directory of the item: that of `path` may be taken. `addresses`
    are hashes of the URLs that lead to the item, `links` those of its numbered links to other items.
    `unselected` are its other assets.
    """

    collection: str
    item: str
    path: str
    assets: Sequence[Claim]
    place: Callable[[str], Sequence[Claim]] | None = None
    addresses: Sequence[int] = ()
    links: Sequence[tuple[int, int]] = ()
    unselected: Sequence[Asset] = ()

    @property
    def identity(self) -> Identity:
        return self.collection, self.item, ITEM if self.item else COLLECTION, ""


class ClaimResult(NamedTuple):
    """The paths of one owner. `document`: the record of its document as last written. `unselected`: of each
    asset that is not claimed, and that an earlier run has fetched, the records of its files by key."""

    path: str
    document: Record | None
    claims: list[Claim]
    unselected: Sequence[Mapping[str, Record]] = ()


class Claims:
    """The claims of one batch. Create it inside a transaction and call `results` once.

    After the commit call `keep_planned`: rows of assets that are new are kept in memory until they end.
    `planned` None: they are inserted at once.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        is_unchanged: IsUnchanged,
        run: int,
        wanted: Sequence[ClaimRequest],
        planned: PlannedRows | None = None,
    ) -> None:
        self._db = database
        self._is_unchanged = is_unchanged
        self._run = run
        self._wanted = wanted
        self._known: dict[Identity, Known] = {}
        self._touched: list[Identity] = []
        self._marked: list[tuple[str, str, int, str]] = []
        """items whose assets were marked as seen in the row of the item only"""
        self._planned = planned
        self._new_rows: Sequence[PlannedRow] = ()
        self._wrote_planned = False

    def results(self, *, new: bool) -> list[ClaimResult | None]:
        """The result for each owner; None for an item that this run has seen before.

        `new`: the table has no rows of earlier runs, so that probably none of these exists.
        """
        asked = self._rows()
        if new and self._all_new(asked):
            return [_as_requested(entry) for entry in self._wanted]
        self._find_known(asked)
        if not new and not self._known and self._all_new(asked):
            return [_as_requested(entry) for entry in self._wanted]
        if self._planned is not None and self._insert_after_planned(asked):
            return [_as_requested(entry) for entry in self._wanted]
        results = [self._claim_item(entry) for entry in self._wanted]
        rows_changed(self._db, SPREAD, self._marked)
        rows_changed(self._db, TOUCH, [(*identity, self._run) for identity in self._touched])
        return results

    def keep_planned(self) -> None:
        """The transaction is committed."""
        if self._planned is not None:
            if self._wrote_planned:
                self._planned.clear()
            self._planned.add(self._new_rows)

    def _rows(self) -> list[PlannedRow]:
        rows: list[PlannedRow] = []
        for entry in self._wanted:
            rows.append((*entry.identity, entry.path, fold(entry.path), ""))
            for asset, path, *_ in entry.assets:
                identity = asset.collection, asset.item, ASSET, asset.key
                folded = path.lower() if path.isascii() else fold(path)
                rows.append((*identity, path, folded, asset.stamp))
        return rows

    def _find_known(self, asked: Sequence[PlannedRow]) -> None:
        identities = [row[:4] for row in asked]
        self._known = {
            row[:4]: row[4:] for found in execute_in_chunks(self._db, KNOWN, identities) for row in found
        }

    def _all_new(self, asked: Sequence[PlannedRow]) -> bool:
        """Plan or insert all rows; false, and none of them, if one of them exists or its path collides."""
        if self._planned is None:
            return self._insert_all(asked)
        if not self._planned.can_take(self._db, asked):
            return False
        self._new_rows = asked
        return True

    def _insert_after_planned(self, asked: Sequence[PlannedRow]) -> bool:
        """Insert what is planned in memory, then all rows asked for if none of them exists."""
        if self._planned:
            self._planned.write(self._db, self._run)
            self._wrote_planned = True
            self._find_known(asked)
        return not self._known and self._insert_all(asked)

    def _insert_all(self, asked: Sequence[PlannedRow]) -> bool:
        self._db.execute("SAVEPOINT claims")
        complete = insert_planned(self._db, self._run, asked) == len(asked)
        if not complete:
            self._db.execute("ROLLBACK TO claims")
        self._db.execute("RELEASE claims")
        return complete

    def _claim_item(self, wanted: ClaimRequest) -> ClaimResult | None:
        identity, document = wanted.identity, None
        row = self._known.get(identity)
        if row is None:
            path = self._insert(identity, wanted.path, "", distinct_document)
        else:
            path, run, _, size, mtime_ns, sha256, _, marked, _ = row
            if run == self._run and wanted.item:
                return None
            if marked and wanted.item:
                self._marked.append((wanted.collection, wanted.item, run, marked))
            self._touch(identity, row)
            document = Record(path, size, sha256, mtime_ns, Proof.NONE) if sha256 else None
        assets = wanted.assets
        if path != wanted.path and wanted.item and wanted.place is not None:
            assets = wanted.place(path.split("/")[-2])
        claims = [claim for request in assets if (claim := self._claim_asset(request))]
        return ClaimResult(path, document, claims)

    def _claim_asset(self, request: Claim) -> Claim | None:
        asset, requested, suffix_pending, *_ = request
        identity = (asset.collection, asset.item, ASSET, asset.key)
        row = self._known.get(identity)
        if row is None:
            path = self._insert(identity, requested, asset.stamp)
            displaced = bool(asset.directory) and path != requested
            return Claim(asset, path, suffix_pending, displaced=displaced)
        path, run, state, size, mtime_ns, sha256, proof, validator, stamp = row
        if run == self._run:
            return None
        suffix_pending = suffix_pending and path == requested  # else it has its suffix
        self._touch(identity, row)
        if state != DONE:
            current, displaced = stamp == asset.stamp, bool(asset.directory) and path != requested
            absent = state == ABSENT
            return Claim(asset, path, suffix_pending, current=current, absent=absent, displaced=displaced)
        record = Record(path, size, sha256, mtime_ns, Proof(proof), validator)
        unsure = not self._is_unchanged(path, size, mtime_ns)
        return Claim(asset, path, suffix_pending, record, stamp == asset.stamp, unsure)

    def _insert(
        self, identity: Identity, path: str, stamp: str, other: Callable[[str, str], str] = distinct
    ) -> str:
        """Insert a new row; returns its path: the requested one, or a similar one if that is taken."""
        for attempt in range(3):
            if insert_planned(self._db, self._run, [(*identity, path, fold(path), stamp)]):
                self._known[identity] = (path, self._run, PLANNED, 0, 0, "", "", "", stamp)
                return path
            path = other(path, f"{attempt or ''}" + "\0".join(map(str, identity)))
        raise AssertionError(f"no free place for {identity}")

    def _touch(self, identity: Identity, row: Known) -> None:
        """Note that this run has seen the row, also for a second request within the batch."""
        self._known[identity] = (row[0], self._run, *row[2:])
        self._touched.append(identity)


def _as_requested(wanted: ClaimRequest) -> ClaimResult:
    return ClaimResult(wanted.path, None, list(wanted.assets))


COLUMNS = """file.collection, file.item, file.role, file.key, path, run, state, size, mtime_ns, sha256,
  proof, validator, stamp"""
SAME = """file.collection=asked.column1 AND file.item=asked.column2 AND file.role=asked.column3
  AND file.key=asked.column4"""
KNOWN = f"SELECT {COLUMNS} FROM ({{}}) AS asked CROSS JOIN file ON {SAME}"
TOUCH = f"""UPDATE file SET run=asked.column5, stamp=CASE file.role WHEN {ITEM} THEN '' ELSE stamp END,
  validator=CASE file.role WHEN {ITEM} THEN '' ELSE validator END FROM ({{}}) AS asked WHERE {SAME}"""
"""A claim for an item deletes its fingerprint: see `unchanged`."""
SPREAD = f"""UPDATE file SET run=asked.column3 FROM ({{}}) AS asked WHERE file.collection=asked.column1
  AND file.item=asked.column2 AND file.role={ASSET} AND file.run=CAST(asked.column4 AS INTEGER)"""
"""Give the assets of an item the run that their item was seen by: from now on each has its own."""
