"""The ledger's SQL statements: synchronous, for one caller at a time."""

from __future__ import annotations

import contextlib
import hashlib
import math
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from ...core.json_text import dumps, loads
from ...core.model import Asset, Flaw, Proof, Record
from ..integrity import IsUnchanged
from ..naming import distinct, fold
from .claims.assignment import ClaimRequest, ClaimResult, Claims
from .claims.planned import PlannedRows
from .lookups.item_links import note_claimed
from .rows import IN_PIECE, Pieces, Row, insert_settled, settle
from .schema import ABSENT, ASSET, BUSY_CODES, COLLECTION, DONE, FAILED, INDEX, ITEM, VERSION, run_of

if TYPE_CHECKING:
    from .lookups.unchanged import ItemFingerprint, UnchangedItem

SYNCHRONOUS_NORMAL = 1
"""The value of SQLite's pragma."""
LINE = "path || ' ' || size || ' ' || sha256 || char(10)"
IN_MANIFEST = f"state={DONE} AND role={ASSET} AND {run_of('file')}=:run"
STAMP = f"""SELECT stamp FROM file WHERE collection=? AND item=? AND role=? AND key=?
  AND {run_of("file")}=?"""


class Statements:
    """One open ledger, for one caller at a time. `is_unchanged` compares a record with its file.

    `planned`: where rows are from their claim to their end; None: in the table.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        is_unchanged: IsUnchanged,
        planned: PlannedRows | None = None,
    ) -> None:
        self._db = database
        self._is_unchanged = is_unchanged
        self._planned = planned
        self._new = False
        self._was_empty = False
        self.run = 0
        self.pieces = Pieces(database)

    @property
    def database(self) -> sqlite3.Connection:
        """For the other modules of this folder."""
        return self._db

    def trial_commit(self) -> float:
        """Seconds that a commit of one page takes; infinite where each commit waits for the disk."""
        (journal,) = self._db.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = self._db.execute("PRAGMA synchronous").fetchone()
        if journal != "wal" or synchronous != SYNCHRONOUS_NORMAL:
            return math.inf
        started = time.monotonic()
        self._rewrite_page()
        return time.monotonic() - started

    def _rewrite_page(self) -> None:
        """Commit a page without any change. An UPDATE that changes nothing would not write it."""
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def begin_run(self, source: str, selection: str, started: str) -> bool:
        """Open a run; true if an earlier one left finished files."""
        self._was_empty = self._db.execute("SELECT 1 FROM file LIMIT 1").fetchone() is None
        earlier = self._db.execute("SELECT 1 FROM file WHERE state=? LIMIT 1", (DONE,)).fetchone()
        self.run = (
            self._db.execute(
                "INSERT INTO run (source, selection, started) VALUES (?, ?, ?)", (source, selection, started)
            ).lastrowid
            or 0
        )
        self._new = earlier is None
        return earlier is not None

    def end_run(self, finished: str, exit_code: int) -> None:
        self._db.execute("UPDATE run SET finished=?, exit_code=? WHERE id=?", (finished, exit_code, self.run))

    @property
    def has_ended(self) -> bool:
        """Whether the end of this run was recorded."""
        asked = "SELECT 1 FROM run WHERE id=? AND finished IS NOT NULL"
        return self._db.execute(asked, (self.run,)).fetchone() is not None

    def forget_run(self) -> None:
        """Delete this run, which has listed nothing: so the run before it is the last one again."""
        with self.transaction():
            self._db.execute("DELETE FROM flaw WHERE run=?", (self.run,))
            self._db.execute("DELETE FROM run WHERE id=?", (self.run,))

    def take_over(self, before: int, without: Sequence[tuple[str, str]]) -> None:
        """Go on with the number of the run `before`: see `carried.take_over`."""
        from .lookups.carried import take_over

        with self.transaction():
            take_over(self._db, before, self.run, without)
        self.run = before

    def claim(self, wanted: Sequence[ClaimRequest]) -> list[ClaimResult | None]:
        """For each owner what it was given; None for an item that was seen in this run before."""
        with self.transaction():
            claims = Claims(self._db, self._is_unchanged, self.run, wanted, self._planned)
            new = self._new if self._planned is None else self._was_empty
            results = claims.results(new=new)
            note_claimed(self._db, wanted, results, new=self._new)
        claims.keep_planned()
        if not self._new:
            from .lookups.by_url import mark_known_urls  # not in the first run
            from .lookups.unselected import note_unselected

            mark_known_urls(self._db, results)
            note_unselected(self._db, wanted, results)
        return results

    def confirm(self, asked: Sequence[ItemFingerprint]) -> list[UnchangedItem | None]:
        """For each item its assets if nothing of it has changed, else None; see `unchanged`."""
        from .lookups.unchanged import confirm

        with self.transaction():
            return confirm(self._db, self._is_unchanged, self.run, asked)

    def move(self, identity: tuple[str, str, str], path: str) -> str:
        """Give a claimed asset another path, once its suffix is known; returns the path it got."""
        self.write_planned()
        collection, item, key = identity
        for seed in ("", "\0".join(identity), "+" + "\0".join(identity)):
            wish = distinct(path, seed) if seed else path
            moved = self._db.execute(
                "UPDATE OR IGNORE file SET path=?, fold=? WHERE collection=? AND item=? AND role=? AND key=?",
                (wish, fold(wish), collection, item, ASSET, key),
            ).rowcount
            if moved:
                return wish
        raise AssertionError(f"no free place for {identity}")

    def settle(self, rows: Sequence[Row], updates: Sequence[Callable[[Statements], None]] = ()) -> None:
        """Write the final state of files. A row that was never claimed (the ledger was lost) is inserted.

        `updates` are made in the same transaction.
        """
        planned, claimed, others = self._planned.divide(rows) if self._planned else ([], [], rows)
        with self.transaction():
            insert_settled(self._db, self.run, claimed, planned)
            settle(self._db, self.run, others)
            for update in updates:
                update(self)
        if self._planned:
            self._planned.drop(planned)

    def recover(self, rows: Sequence[Row]) -> None:
        """Write what a killed run has left in the write-ahead log: as files of that run, the last one."""
        last = self._db.execute("SELECT id, finished FROM run ORDER BY id DESC LIMIT 1").fetchone()
        self.run = last[0] if last is not None and last[1] is None else 0
        self.settle(rows)

    def write_planned(self) -> None:
        """Insert the rows of files that have not ended, so that the table has all that was claimed."""
        if self._planned:
            with self.transaction():
                self._planned.write(self._db, self.run)
            self._planned.clear()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. A nested transaction is part of the outer one."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite rolls back by itself on a full disk
                self._db.execute("ROLLBACK")
            raise

    def find(self, url: str) -> Record | None:
        """A finished file that was fetched from this very URL, if it is still there."""
        from .lookups.by_url import find

        return find(self._db, self._is_unchanged, url)

    def first_time(self, urls: Sequence[str]) -> list[str]:
        """Those of `urls` that this run has not passed before."""
        with self.transaction():
            return [url for url in urls if self._first_time(url)]

    def _first_time(self, url: str) -> bool:
        statement = (
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET run=excluded.run "
            "WHERE run<>excluded.run"
        )
        return bool(self._db.execute(statement, (hash64(url), self.run)).rowcount)

    def add_flaw(self, flaw: Flaw, error: str) -> None:
        """`error`: as JSON. The owner of the flaw is stored in its member `of`."""
        said = dumps({**loads(error), "of": flaw.owner}).decode() if flaw.owner else error
        self._db.execute("INSERT INTO flaw VALUES (?, ?, ?, ?)", (self.run, flaw.where, said, flaw.benign))

    def put_collection(self, id: str, body: bytes | None, href: str, extent: str | None) -> None:
        """Store a collection; what is None stays as an earlier run stored it."""
        self._db.execute(
            "INSERT INTO collection VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " extent=coalesce(excluded.extent, extent), body=coalesce(excluded.body, body),"
            " href=CASE WHEN excluded.body IS NULL THEN href ELSE excluded.href END",
            (id, body, href, extent),
        )

    def collections(self) -> list[tuple[str, bytes | None, str, str | None]]:
        return self._db.execute("SELECT id, body, href, extent FROM collection ORDER BY id").fetchall()

    def path_of(self, collection: str) -> str | None:
        """The path of a collection's own document."""
        found = self._db.execute(
            "SELECT path FROM file WHERE collection=? AND item='' AND role=?", (collection, COLLECTION)
        ).fetchone()
        return str(found[0]) if found else None

    def item_paths(self, collection: str) -> Iterator[str]:
        """Paths of the item documents on disk, in the order of the item ids."""
        asked = f"SELECT json_group_array(path) FROM file WHERE {IN_PIECE} AND role={ITEM} AND state={DONE}"
        return chain.from_iterable(loads(paths) for (paths,) in self.pieces.rows(asked, {}, collection))

    def all_items(self) -> Iterator[tuple[str, str]]:
        """Paths and digests of all item documents on disk, in the order of collections and ids."""
        statement = "SELECT path, sha256 FROM file WHERE role=? AND state=? ORDER BY collection, item"
        return iter(self._db.execute(statement, (ITEM, DONE)))

    def index_files(self, names: Collection[str]) -> dict[str, tuple[Record, str]]:
        """Those of the files that list what is in the mirror, by name, with a digest of what they list."""
        rows = self._db.execute(
            "SELECT key, path, size, sha256, mtime_ns, stamp FROM file "
            "WHERE collection='' AND item='' AND role=? AND state=?",
            (INDEX, DONE),
        )
        return {
            key: (Record(path, size, sha256, mtime_ns, Proof.NONE), stamp)
            for key, path, size, sha256, mtime_ns, stamp in rows
            if key in names
        }

    def forget_index(self, names: Collection[str]) -> None:
        rows = [(INDEX, name) for name in names]
        self._db.executemany("DELETE FROM file WHERE collection='' AND item='' AND role=? AND key=?", rows)

    def is_taken(self, path: str) -> bool:
        """Whether a file other than one that lists what is in the mirror has this path."""
        asked = "SELECT 1 FROM file WHERE fold=? AND role<>?"
        return self._db.execute(asked, (fold(path), INDEX)).fetchone() is not None

    def records(self, collection: str, item: str) -> dict[str, Record]:
        """The finished assets of one item by key; `item` "" for the collection's own."""
        rows = self._db.execute(
            "SELECT key, path, size, sha256, mtime_ns, proof, validator FROM file "
            "WHERE collection=? AND item=? AND role=0 AND state=1",
            (collection, item),
        )
        return {
            key: Record(path, size, sha256, mtime_ns, Proof(proof), validator)
            for key, path, size, sha256, mtime_ns, proof, validator in rows
        }

    def missing_keys(self, collection: str, item: str) -> list[str]:
        """The keys of assets of one item that are not there; `item` "" for the collection's own."""
        rows = self._db.execute(
            "SELECT key FROM file WHERE collection=? AND item=? AND role=? AND state NOT IN (?, ?)",
            (collection, item, ASSET, DONE, ABSENT),
        )
        return [str(key) for (key,) in rows]

    def finished(self) -> Iterator[tuple[int, Record]]:
        """Every finished file with its role, sorted by path."""
        rows = self._db.execute(
            "SELECT role, path, size, sha256, mtime_ns, proof, validator FROM file "
            "WHERE state=1 ORDER BY path"
        )
        for role, path, size, sha256, mtime_ns, proof, validator in rows:
            yield role, Record(path, size, sha256, mtime_ns, Proof(proof or "none"), validator or "")

    def manifest(self, run: int) -> str:
        """sha256 over the sorted lines `path size sha256` of the finished assets of a run."""
        for found in (self._lines_by_key(run), self._lines_by_path(run)):
            digest, last = hashlib.sha256(), ""
            for lines in found:  # most are sorted in the order of the key, too: that takes no sorting
                if lines[0] < last or sorted(lines) != lines:
                    break
                last = lines[-1]
                digest.update("".join(lines).encode())
            else:
                break
        return digest.hexdigest()

    def manifest_lines(self, run: int) -> Iterator[bytes]:
        """These lines, some at a time."""
        for lines in self._lines_by_path(run):
            yield "".join(lines).encode()

    def _lines_by_key(self, run: int) -> Iterator[list[str]]:
        asked = f"SELECT json_group_array({LINE}) FROM file WHERE {IN_PIECE} AND {IN_MANIFEST}"
        return (lines for (text,) in self.pieces.rows(asked, {"run": run}) if (lines := loads(text)))

    def _lines_by_path(self, run: int) -> Iterator[list[str]]:
        found = self._db.execute(f"SELECT {LINE} FROM file WHERE {IN_MANIFEST} ORDER BY 1", {"run": run})
        while some := found.fetchmany(1000):
            yield [line for (line,) in some]

    def count_finished(self, run: int) -> tuple[int, int]:
        """The number of finished assets of a run, and their bytes."""
        asked = (
            "SELECT count(*), coalesce(sum(size), 0) FROM file WHERE state=? AND role=?"
            f" AND {run_of('file')}=?"
        )
        count, size = self._db.execute(asked, (DONE, ASSET, run)).fetchone()
        return int(count), int(size)

    def missing(self, run: int) -> Iterator[dict[str, object]]:
        """One row for each asset of a run that is not finished, and for each flaw of its listing."""
        rows = self._db.execute(
            "SELECT collection, item, key, path, url, state, error FROM file "
            f"WHERE {run_of('file')}=? AND role=0 AND state NOT IN (?, ?)",
            (run, DONE, ABSENT),
        )
        for collection, item, key, path, url, state, error in rows:
            yield {
                "collection": collection,
                "item": item or None,
                "key": key,
                "path": path,
                "href": url,
                "error": loads(error) if state == FAILED and error else UNFINISHED,
            }
        flaws = self._db.execute("SELECT place, error, benign FROM flaw WHERE run=?", (run,))
        for place, error, benign in flaws:
            said = loads(error)
            owner = (name or None for name in said.pop("of", ()))
            names = dict(zip_longest(("collection", "item", "key", "path"), owner))
            yield {**names, "href": place, "error": said, "benign": bool(benign)}

    def count_assets(self) -> list[tuple[str, int, str, int, int]]:
        """(collection, state, error class, files, bytes) of all assets, for `status`."""
        return self._db.execute(
            "SELECT collection, state, coalesce(json_extract(error, '$.class'), ''), count(*), "
            "coalesce(sum(size), 0) FROM file WHERE role=0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).fetchall()

    def checkpoint_some(self) -> None:
        """Move what nobody reads from SQLite's write-ahead log into the database file, and begin it anew.

        The first page of a new log is synced: it is written here, not by a commit that others wait for.
        """
        with contextlib.suppress(sqlite3.Error):  # the last checkpoint raises what is wrong with the disk
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._rewrite_page()

    def checkpoint(self) -> None:
        """Move SQLite's write-ahead log into the database file; the next run does it if somebody reads now.

        That may be this process: a cursor stays open while an error that ended its loop is handled.
        """
        self._db.execute("PRAGMA busy_timeout=100")
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in BUSY_CODES:
                raise

    def close(self) -> None:
        self._db.close()


UNFINISHED = {"class": "unfinished", "message": "the run ended before this asset's turn", "retryable": True}


def hash64(text: str) -> int:
    """A 64-bit hash of a text, to keep index keys small."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def changed_items(book: Statements, wanted: Sequence[ClaimRequest], heeded: bool) -> list[ClaimRequest]:
    """Those items with an asset that this run has not claimed before, or, with `heeded`, has otherwise."""
    return [one for one in wanted if any(_differs(book, wish.asset, heeded) for wish in one.assets)]


def _differs(book: Statements, asset: Asset, heeded: bool) -> bool:
    identity = (asset.collection, asset.item, ASSET, asset.key)
    found = book.database.execute(STAMP, (*identity, book.run)).fetchone()
    return found is None or (heeded and found[0] != asset.stamp)
