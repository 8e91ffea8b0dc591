"""The ledger's SQL statements: synchronous, for one caller at a time."""

from __future__ import annotations

import contextlib
import hashlib
import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from ...core.json_text import dumps, loads
from ...core.model import Asset, Flaw, Proof, Record
from ..naming import distinct, fold
from .claims import ClaimRequest, ClaimResult, Claims, IsUnchanged
from .lookups.by_url import find, mark_known_urls
from .lookups.item_links import note_claimed
from .lookups.unchanged import ItemFingerprint, UnchangedItem, confirm
from .rows import Row, settle
from .schema import ABSENT, ASSET, BUSY_CODES, COLLECTION, DONE, FAILED, INDEX, ITEM, run_of

SYNCHRONOUS_NORMAL = 1
"""The value of SQLite's pragma."""
STAMP = "SELECT stamp FROM file WHERE collection=? AND item=? AND role=? AND key=?"


class Statements:
    """One open ledger, for one caller at a time. `is_unchanged` compares a record with its file."""

    def __init__(self, database: sqlite3.Connection, is_unchanged: IsUnchanged) -> None:
        self._db = database
        self._is_unchanged = is_unchanged
        self._new = False
        self.run = 0

    @property
    def database(self) -> sqlite3.Connection:
        """For the other modules of this folder."""
        return self._db

    def trial_commit(self) -> float:
        """Seconds that a commit of one row takes; infinite where each commit waits for the disk."""
        (journal,) = self._db.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = self._db.execute("PRAGMA synchronous").fetchone()
        if journal != "wal" or synchronous != SYNCHRONOUS_NORMAL:
            return math.inf
        started = time.monotonic()
        self._rewrite_run()
        return time.monotonic() - started

    def _rewrite_run(self) -> None:
        self._db.execute("UPDATE run SET source=source WHERE id=?", (self.run,))

    def begin_run(self, source: str, selection: str, started: str) -> bool:
        """Open a run; true if an earlier one left finished files."""
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

    def forget_run(self) -> None:
        """Delete this run, which has listed nothing: so the run before it is the last one again."""
        with self.transaction():
            self._db.execute("DELETE FROM flaw WHERE run=?", (self.run,))
            self._db.execute("DELETE FROM run WHERE id=?", (self.run,))

    def claim(self, wanted: Sequence[ClaimRequest]) -> list[ClaimResult | None]:
        """For each owner what it was given; None for an item that was seen in this run before."""
        with self.transaction():
            results = Claims(self._db, self._is_unchanged, self.run, wanted).results(new=self._new)
            note_claimed(self._db, wanted, results, new=self._new)
        if not self._new:
            mark_known_urls(self._db, results)
        return results

    def confirm(self, asked: Sequence[ItemFingerprint]) -> list[UnchangedItem | None]:
        """For each item its assets if nothing of it has changed, else None; see `unchanged`."""
        with self.transaction():
            return confirm(self._db, self._is_unchanged, self.run, asked)

    def move(self, identity: tuple[str, str, str], path: str) -> str:
        """Give a claimed asset another path, once its suffix is known; returns the path it got."""
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

    def settle(self, rows: Sequence[Row]) -> None:
        """Write the final state of files. A row that was never claimed (the ledger was lost) is inserted."""
        with self.transaction():
            settle(self._db, self.run, rows)

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
        rows = self._db.execute(
            "SELECT path FROM file WHERE collection=? AND role=? AND state=? ORDER BY item",
            (collection, ITEM, DONE),
        )
        return (str(path) for (path,) in rows)

    def all_items(self) -> Iterator[tuple[str, str]]:
        """Paths and digests of all item documents on disk, in the order of collections and ids."""
        statement = "SELECT path, sha256 FROM file WHERE role=? AND state=? ORDER BY collection, item"
        return iter(self._db.execute(statement, (ITEM, DONE)))

    def index_files(self) -> dict[str, tuple[Record, str]]:
        """The files that list all items, by name, with the digest of the items that they list."""
        rows = self._db.execute(
            "SELECT key, path, size, sha256, mtime_ns, stamp FROM file WHERE role=? AND state=?",
            (INDEX, DONE),
        )
        return {
            key: (Record(path, size, sha256, mtime_ns, Proof.NONE), stamp)
            for key, path, size, sha256, mtime_ns, stamp in rows
        }

    def forget_index(self) -> None:
        self._db.execute("DELETE FROM file WHERE role=?", (INDEX,))

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
        digest = hashlib.sha256()
        lines = self._db.execute(
            "SELECT path || ' ' || size || ' ' || sha256 || char(10) FROM file "
            f"WHERE state=? AND role=? AND {run_of('file')}=? ORDER BY 1",
            (DONE, ASSET, run),
        )
        while some := lines.fetchmany(1000):
            digest.update("".join(line for (line,) in some).encode())
        return digest.hexdigest()

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

        The first row of a new log is synced: it is written here, not by a commit that others wait for.
        """
        with contextlib.suppress(sqlite3.Error):  # the last checkpoint raises what is wrong with the disk
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._rewrite_run()

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


def changed_items(book: Statements, wanted: Sequence[ClaimRequest]) -> list[ClaimRequest]:
    """Those items with an asset that is new or whose description has changed."""
    return [one for one in wanted if any(_differs(book, wish.asset) for wish in one.assets)]


def _differs(book: Statements, asset: Asset) -> bool:
    identity = (asset.collection, asset.item, ASSET, asset.key)
    found = book.database.execute(STAMP, identity).fetchone()
    return found is None or found[0] != asset.stamp
