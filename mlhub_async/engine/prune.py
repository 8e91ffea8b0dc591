"""What --prune removes: files that earlier runs brought and that a whole listing does not name any more."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import StorageError, UsageError
from ..core.options import Options
from ..core.urls import term_safe
from ..storage.ledger.database import Statements
from ..storage.ledger.schema import ASSET, DONE, ITEM
from ..storage.ledger.stale import Scope, StaleFile, count_files, count_left, count_met, forget, left
from ..storage.local.removal import remove, remove_empty
from .report.completeness import Completeness
from .report.receipt import Pruned, Report

BATCH = 500
ALWAYS = 10
"""So many assets, or items, may always go where --max-delete is not given; else a tenth of those there."""
_OF_ITEMS = "max_items ids bbox intersects datetime query filter classes"
_OF_ASSETS = "include exclude roles media_types min_size max_size"


def refuse_partial_selection(options: Options) -> None:
    """Raises `UsageError` for a selection of items: what it leaves out has not left the catalogue."""
    given = [name for name in _OF_ITEMS.split() if getattr(options.selection, name)]
    if options.prune and given:
        word = {"classes": "class"}.get(given[0], given[0]).replace("_", "-")
        raise UsageError(
            f"--prune and --{word} exclude each other: what is not selected has not left the catalogue; "
            "prune with whole collections (-c)"
        )


def prune(book: Statements, root: Path, report: Report, options: Options) -> None:
    """Remove what has left the catalogue, all of it or, for a reason that `report.pruned` gives, nothing.

    In the ledger's thread. A file that was changed since we wrote it stays, and is not ours any more.
    """
    scopes, pruned = _scopes(report.listing, report.source, options), report.pruned
    counts = {scope.collection: count_left(book, scope) for scope in scopes}
    empty = [name for name, count in counts.items() if count.total() and not count_met(book, name)]
    pruned.refused = (
        _objection(report.listing, report.flaw_count)
        or _emptied(empty)
        or _too_many(sum(counts.values(), Counter()), count_files(book, counts), options.max_delete)
    )
    for scope in scopes if not pruned.refused else ():
        while rows := list(left(book, scope, BATCH)):
            _remove(book, root, rows, pruned)


@dataclass(frozen=True, slots=True)
class ListedScope:
    """What a listing without a mirror came to: items by collection, `known_as` of all that it named."""

    source: str
    listing: Completeness
    flaws: int
    items: Counter[str]
    named: set[int]


def known_as(collection: str, item: str, key: str | None = None) -> int:
    """A number for an item, for a collection (an item of "") or for one of their assets."""
    return hash((collection, item, key))


def foreseen(dest: Path, listed: ListedScope, options: Options) -> tuple[Pruned, list[str]]:
    """What `prune` would do after such a listing, and the paths it would remove. Changes nothing."""
    from .verify.snapshot import LEDGER, reading  # noqa: PLC0415 -- a run that only mirrors starts sooner

    pruned = Pruned(refused=_objection(listed.listing, listed.flaws))
    if pruned.refused or not os.path.isfile(dest / LEDGER):
        return pruned, []
    try:
        with reading(dest) as past:
            return pruned, _foresee(past.book, dest, listed, options, pruned)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{LEDGER} is broken ({error}); the next mirror run rebuilds it") from None


def _foresee(
    book: Statements, dest: Path, listed: ListedScope, options: Options, pruned: Pruned
) -> list[str]:
    paths: list[str] = []
    going: Counter[int] = Counter()
    empty: list[str] = []
    for scope in _scopes(listed.listing, listed.source, options):
        rows = [row for row in left(book, scope._replace(items_only=False)) if _unnamed(row, scope, listed)]
        count = Counter(row.role for row in rows if row.state == DONE)
        going += count
        empty += [scope.collection] if count.total() and not listed.items[scope.collection] else []
        for row in rows:
            if row.state == DONE:
                goes = remove(dest, row.path, row.size, row.mtime_ns, dry_run=True)
                pruned.count(row.path, row.role == ASSET, row.size, goes)
                paths += [row.path] if goes else []
    there = count_files(book, listed.listing.whole)
    pruned.refused = _emptied(empty) or _too_many(going, there, options.max_delete)
    return paths


def _unnamed(row: StaleFile, scope: Scope, listed: ListedScope) -> bool:
    if row.role == ITEM or scope.items_only:
        return known_as(row.collection, row.item) not in listed.named
    return known_as(row.collection, row.item, row.key) not in listed.named


def _scopes(listing: Completeness, source: str, options: Options) -> list[Scope]:
    """An asset that -i, -x and their like leave out may still be in the catalogue, if its item is."""
    items_only = any(getattr(options.selection, name) not in ((), None) for name in _OF_ASSETS.split())
    return [Scope(name, source, items_only) for name in sorted(listing.whole)]


def _emptied(collections: list[str]) -> str:
    return f"the listing of {term_safe(collections[0])} is empty" if collections else ""


def _objection(listing: Completeness, flaws: int) -> str:
    """Why a listing does not tell what has left the catalogue; "" if it does."""
    if not listing.complete:
        return "the listing is not complete"
    if flaws:
        return f"{flaws} records of the catalogue could not be used"
    if not listing.unique:
        return "the listing is empty"
    return "" if listing.whole else "SOURCE is a list of items: it does not say what a collection has"


def _too_many(going: Counter[int], there: Counter[int], limit: int | None) -> str:
    """Assets are what is counted; items where they are more, since there are some without any."""
    role, word = (ITEM, "items") if going[ITEM] > going[ASSET] else (ASSET, "assets")
    allowed = max(ALWAYS, there[role] // 10) if limit is None else limit
    if going[role] <= allowed:
        return ""
    return (
        f"{going[role]} of {there[role]} {word} would go, {allowed} may: "
        "look at them with -n, then give --max-delete"
    )


def _remove(book: Statements, root: Path, rows: list[StaleFile], pruned: Pruned) -> None:
    """Files first, their rows after: killed in between, the next run finds the rows again."""
    done: list[StaleFile] = []
    try:
        for row in rows:
            if row.state == DONE:
                removed = remove(root, row.path, row.size, row.mtime_ns)
                pruned.count(row.path, row.role == ASSET, row.size, removed)
            done.append(row)
    finally:
        remove_empty(root, (row.path for row in done))
        forget(book, done)
