"""Puts the ledgers of all shards into one, and finds what contradicts itself in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ....core.errors import MlhubError
from ....core.json_text import dumps, loads
from ....stac.write.extent import Extent
from ....storage.layout import LEDGER_FILE
from ....storage.ledger.database import Statements
from ....storage.ledger.schema import ASSET, COLLECTION, DONE, INDEX, ITEM, run_of
from .found import FoundShard

IsUnchanged = Callable[[str, int, int], bool]
MAX_EXAMPLES = 5


class DamagedShard(MlhubError):
    """A shard is not what its receipt says."""

    kind = "damaged"
    exit_code = 6


def fold_in(book: Statements, one: FoundShard, is_unchanged: IsUnchanged) -> None:
    """Put the rows of a shard into the open ledger, as those of its present run. Raises `DamagedShard`."""
    path = one.state / LEDGER_FILE
    if not path.is_file():
        raise DamagedShard(f"shard {one.shard}: {path} is missing: run it again")
    try:
        book.database.execute("ATTACH ? AS shard", (f"{path}",))
        try:
            _check(book, one, is_unchanged)
            with book.transaction():
                _insert(book)
        finally:
            book.database.execute("DETACH shard")
    except book.database.DatabaseError as error:
        raise DamagedShard(f"shard {one.shard}: {path}: {error}") from error


def _check(book: Statements, one: FoundShard, is_unchanged: IsUnchanged) -> None:
    if (said := book.database.execute("PRAGMA shard.quick_check(1)").fetchone()) != ("ok",):
        raise DamagedShard(f"shard {one.shard}: its ledger is damaged: {said[0]}")
    problems = [*_foreign(book, one), *_taken(book), *_changed(book, is_unchanged)]
    if problems:
        more = f" and {len(problems) - MAX_EXAMPLES} more" if len(problems) > MAX_EXAMPLES else ""
        shown = "; ".join(problems[:MAX_EXAMPLES])
        raise DamagedShard(f"shard {one.shard}: {shown}{more}")


def _foreign(book: Statements, one: FoundShard) -> Iterator[str]:
    """Items that are of another shard: then they may be in two."""
    rows = book.database.execute(
        "SELECT DISTINCT collection, item FROM shard.file WHERE role IN (?, ?)", (ASSET, ITEM)
    )
    for collection, item in rows:
        if not one.shard.has(collection, item):
            yield f"{collection}/{item} is of another shard"


def _taken(book: Statements) -> Iterator[str]:
    """Paths that an earlier shard has too, which is right for the documents of collections alone."""
    rows = book.database.execute(
        "SELECT own.path, other.path FROM shard.file AS own JOIN main.file AS other ON other.fold=own.fold"
        " WHERE NOT (own.role=? AND other.role=? AND own.collection=other.collection)",
        (COLLECTION, COLLECTION),
    )
    for path, other in rows:
        if path == other:
            yield f"{path} is in another shard too"
        else:
            yield f"{path} and {other} of another shard differ by case alone: run without --shard"


def _changed(book: Statements, is_unchanged: IsUnchanged) -> Iterator[str]:
    rows = book.database.execute("SELECT path, size, mtime_ns FROM shard.file WHERE state=?", (DONE,))
    for path, size, mtime_ns in rows:
        if not is_unchanged(path, size, mtime_ns):
            yield f"{path} is missing or was changed"


_COLUMNS = "collection, item, role, key, path, fold, state"
_FACTS = "size, mtime_ns, sha256, proof"
_REST = "stamp, url, error"


def _insert(book: Statements) -> None:
    """What the last run of a shard did not list keeps the run 0: it is no file of this one."""
    run = f"CASE WHEN {run_of('own').replace('file AS', 'shard.file AS')}=" + (
        "(SELECT max(id) FROM shard.run) THEN ? ELSE 0 END"
    )
    database = book.database
    database.execute(
        f"INSERT OR IGNORE INTO main.file ({_COLUMNS}, run, {_FACTS}, validator, {_REST})"
        f" SELECT {_COLUMNS}, {run}, {_FACTS}, CASE role WHEN {ITEM} THEN '' ELSE validator END, {_REST}"
        f" FROM shard.file AS own WHERE role<>{INDEX}",
        (book.run,),
    )
    for table in ("item_address", "item_link"):
        database.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM shard.{table}")
    database.execute(
        "INSERT INTO main.flaw SELECT DISTINCT ?, place, error, benign FROM shard.flaw AS own"
        " WHERE run=(SELECT max(id) FROM shard.run) AND NOT EXISTS (SELECT 1 FROM main.flaw AS other"
        " WHERE other.place=own.place AND other.error=own.error)",
        (book.run,),
    )
    known = {name: extent for name, _, _, extent in book.collections()}
    rows = database.execute("SELECT id, body, href, extent FROM shard.collection").fetchall()
    for name, body, href, extent in rows:
        book.put_collection(name, body, href, _merged(known.get(name), extent))


def _merged(*states: Any) -> str | None:
    """The union of extents, as the ledger has them."""
    kept = [loads(state) for state in states if state]
    if not kept:
        return None
    extent = Extent()
    for state in kept:
        extent.merge(Extent(state))
    return dumps(extent.state).decode()
