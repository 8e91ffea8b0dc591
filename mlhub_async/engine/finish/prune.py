"""`--prune`: removes files of earlier runs that a complete listing does not name any more, with guards."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Container
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import UsageError
from ...core.model import Proof, Record
from ...core.options import ASSET_CONDITIONS, ITEM_CONDITIONS, Options
from ...core.urls import term_safe
from ...storage.ledger.database import Statements
from ...storage.ledger.schema import ASSET, DONE, ITEM
from ...storage.ledger.stale import (
    KeptFile,
    Scope,
    StaleFile,
    count_files,
    count_listed,
    count_stale,
    forget,
    other_files,
    stale_files,
)
from ..report.completeness import Completeness
from ..report.receipt import Kept, Pruned, Report

if TYPE_CHECKING:
    from ...core.ports import DocumentStore

REMOVE_BATCH = 500
"""Files that are removed before the ledger forgets them."""
MIN_MAX_DELETE = 10
"""Without --max-delete this many assets, or items, may be removed, or a tenth of those in the mirror."""
_ITEM_FILTERS = (
    *("max_items", "source_query", "source_datetime"),
    *(name for name in ITEM_CONDITIONS if name not in ("collections", "dataset")),
)
_ASSET_FILTERS = (*ASSET_CONDITIONS, "source_include", "source_exclude")


def refuse_partial_selection(options: Options) -> None:
    """Raise `UsageError` for --prune with a selection of items: what it omits has not left the catalogue."""
    given = [name for name in _ITEM_FILTERS if getattr(options.selection, name)]
    if options.prune and given:
        word = {"classes": "class"}.get(given[0], given[0]).replace("_", "-")
        raise UsageError(
            f"--prune and --{word} exclude each other: what is not selected has not left the catalogue; "
            "prune with whole collections (-c)"
        )


def prune(book: Statements, store: DocumentStore, report: Report, options: Options) -> None:
    """Remove what has left the catalogue: all of it, or nothing and the reason in `report.pruned.refused`.

    Runs in the ledger's thread. A file that was changed since it was written stays, and the ledger forgets
    it.
    """
    scopes, pruned = _scopes(report.listing, report.source, options), report.pruned
    counts = {scope.collection: count_stale(book, scope) for scope in scopes}
    stale = sum(counts.values(), Counter[int]())
    empty = [name for name, count in counts.items() if count.total() and not count_listed(book, name)]
    pruned.refused = (
        _refuse_listing(report.listing, report.flaw_count)
        or _refuse_empty(empty)
        or _refuse_doubtful(report.listing, sum(counts.values(), Counter()))
        or _refuse_short(report.listing, stale)
        or _refuse_many(stale, count_files(book, counts), options.max_delete)
    )
    for scope in scopes if not pruned.refused else ():
        while rows := list(stale_files(book, scope, REMOVE_BATCH)):
            _remove(book, store, rows, pruned)
    if not pruned.refused:
        whole = {scope.collection for scope in scopes}
        pruned.kept_by_scope.update(_reason(one, whole) for one in other_files(book, report.source))


def _reason(one: KeptFile, whole: Collection[str]) -> Kept:
    """Why a file that was not listed stays, though nobody changed it. `whole`: what was listed completely."""
    if not one.same_source:
        return Kept.OTHER_SOURCE
    return Kept.NOT_SELECTED if one.collection in whole else Kept.NOT_LISTED


@dataclass(frozen=True, slots=True)
class ListedScope:
    """What a listing without a mirror has: items by collection, and the `listed_id` of all that it names."""

    source: str
    listing: Completeness
    flaws: int
    items: Counter[str]
    listed_ids: Container[int]


def listed_id(collection: str, item: str, key: str | None = None) -> int:
    """A number for an item, for a collection (an item of "") or for one of their assets."""
    return hash((collection, item, key))


def foreseen(
    dest: Path, store: DocumentStore, listed: ListedScope, options: Options
) -> tuple[Pruned, list[str]]:
    """What `prune` would do after such a listing, and the paths that it would remove. Changes nothing.

    That is nothing where the ledger is broken: the next run begins another one, with what is listed.
    """
    from ..verify.snapshot import LEDGER, open_snapshot  # a run that only mirrors starts sooner

    pruned = Pruned(refused=_refuse_listing(listed.listing, listed.flaws))
    if pruned.refused or not os.path.isfile(dest / LEDGER):
        return pruned, []
    try:
        with open_snapshot(dest) as snapshot:
            return pruned, _foresee(snapshot.statements, store, listed, options, pruned)
    except sqlite3.DatabaseError:
        return Pruned(), []


def _foresee(
    book: Statements, store: DocumentStore, listed: ListedScope, options: Options, pruned: Pruned
) -> list[str]:
    paths: list[str] = []
    stale: Counter[int] = Counter()
    empty: list[str] = []
    items_only = False
    for scope in _scopes(listed.listing, listed.source, options):
        rows = [
            row
            for row in stale_files(book, scope._replace(items_only=False))
            if _is_stale(row, scope, listed)
        ]
        count = Counter(row.role for row in rows if row.state == DONE)
        stale += count
        empty += [scope.collection] if count.total() and not listed.items[scope.collection] else []
        for row in rows:
            if row.state == DONE:
                removed = store.remove(_record_of(row), dry_run=True)
                pruned.count(row.path, row.role == ASSET, row.size, removed)
                paths += [row.path] if removed else []
        items_only = scope.items_only
    pruned.kept_by_scope = _foresee_kept(book, listed, items_only=items_only)
    files = count_files(book, listed.listing.whole)
    pruned.refused = (
        _refuse_empty(empty)
        or _refuse_doubtful(listed.listing, stale)
        or _refuse_short(listed.listing, stale)
        or _refuse_many(stale, files, options.max_delete)
    )
    return paths


def _foresee_kept(book: Statements, listed: ListedScope, *, items_only: bool) -> Counter[Kept]:
    found: Counter[Kept] = Counter()
    for one in other_files(book, listed.source):
        item, key = (one.collection, one.item), one.key if one.role == ASSET else None
        reason = _reason(one, listed.listing.whole)
        if listed_id(*item, key) in listed.listed_ids:
            continue
        if reason is not Kept.NOT_SELECTED or (items_only and listed_id(*item) in listed.listed_ids):
            found[reason] += 1
    return found


def _is_stale(row: StaleFile, scope: Scope, listed: ListedScope) -> bool:
    if row.role == ITEM or scope.items_only:
        return listed_id(row.collection, row.item) not in listed.listed_ids
    return listed_id(row.collection, row.item, row.key) not in listed.listed_ids


def _scopes(listing: Completeness, source: str, options: Options) -> list[Scope]:
    """What may be pruned of each collection. With a filter of assets whole items only: an asset that is not
    selected may still be in the catalogue."""
    items_only = any(getattr(options.selection, name) not in ((), None) for name in _ASSET_FILTERS)
    return [Scope(name, source, items_only) for name in sorted(listing.whole)]


def _refuse_empty(collections: list[str]) -> str:
    return f"the listing of {term_safe(collections[0])} is empty" if collections else ""


def _refuse_short(listing: Completeness, stale: Counter[int]) -> str:
    """A listing that is complete though more was announced does not prove that anything has left."""
    if not stale.total():
        return ""
    short = (
        f"{name or 'the source'} announced {one.most} items and gave {one.found}"
        for name, one in listing.accepted
    )
    return next(short, "")


def _refuse_listing(listing: Completeness, flaws: int) -> str:
    """Why a listing does not prove what has left the catalogue; "" if it does."""
    if flaws:
        return f"{flaws} records of the catalogue could not be used"
    if not listing.complete:
        return "the listing is not complete"
    if not listing.unique:
        return "the listing is empty"
    return "" if listing.whole else "SOURCE is a list of items: it does not say what a collection has"


def _refuse_doubtful(listing: Completeness, stale: Counter[int]) -> str:
    """A page in place of a source item may be an error of the server, and the item what would be removed. So
    may the files of a directory that cannot be listed now."""
    if listing.unlisted_directories and stale.total():
        return f"the files of {listing.unlisted_directories} assets that are directories are not known"
    if not listing.doubtful_answers or not stale.total():
        return ""
    return f"{listing.doubtful_answers} source links were answered by something else than an item"


def _refuse_many(stale: Counter[int], files: Counter[int], limit: int | None) -> str:
    """Counts assets, or items where these are more: some have no assets."""
    role, word = (ITEM, "items") if stale[ITEM] > stale[ASSET] else (ASSET, "assets")
    allowed = max(MIN_MAX_DELETE, files[role] // 10) if limit is None else limit
    if stale[role] <= allowed:
        return ""
    return (
        f"{stale[role]} of {files[role]} {word} would be removed, {allowed} may be: "
        "list them with -n, then give --max-delete"
    )


def _record_of(row: StaleFile) -> Record:
    return Record(row.path, row.size, row.sha256, row.mtime_ns, Proof.NONE)


def _remove(book: Statements, store: DocumentStore, rows: list[StaleFile], pruned: Pruned) -> None:
    """Remove files, then their rows: after a kill in between the next run finds the rows again."""
    done: list[StaleFile] = []
    try:
        for row in rows:
            if row.state == DONE:
                removed = store.remove(_record_of(row))
                pruned.count(row.path, row.role == ASSET, row.size, removed)
            done.append(row)
    finally:
        store.remove_empty_directories(row.path for row in done)
        forget(book, done)
