"""The end of a run: the catalogue over the items, the list of what is missing, the receipt."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import orjson

from ..core.errors import MlhubError, SourceError, StorageError, TransferError, UsageError, error_json
from ..core.model import NO_COLLECTION, Collection, Flaw
from ..core.urls import escape_json_controls
from ..stac.write.collection import catalog_json, collection_json
from ..stac.write.extent import Extent
from ..storage.layout import CATALOG_FILE, ERRORS_FILE, RECEIPT_FILE, in_state
from ..storage.ledger.database import Statements
from ..storage.ledger.ledger import Ledger
from ..storage.ledger.rows import Row
from ..storage.ledger.schema import COLLECTION, DONE
from ..storage.local.store import LocalStore
from .inventory import Inventory
from .report.receipt import Report

RECEIPT = in_state(RECEIPT_FILE)


async def close_mirror(
    report: Report, ledger: Ledger, store: LocalStore, inventory: Inventory, finished: str
) -> None:
    """Write what describes the mirror, then close the ledger. After Ctrl-C only the receipt, at once.

    A run that came to no listing leaves receipt and ledger as an earlier one left them: it says nothing
    about the files.
    """
    report.finished = finished
    if report.stopped is not None:
        store.disk_space.lose_patience()
    try:
        await _write_down(report, ledger, store, inventory)
    except StorageError:
        # Who interrupts a run on a full disk is told so: the journal has what the ledger could not take.
        if not isinstance(report.stopped, asyncio.CancelledError):
            raise


async def abandon(ledger: Ledger) -> None:
    """Close the open ledger of a run that could not begin, as the run before left it."""
    try:
        await ledger.query(Statements.forget_run)
    finally:
        await ledger.close()


async def _write_down(report: Report, ledger: Ledger, store: LocalStore, inventory: Inventory) -> None:
    store.tree.shed()  # its descriptors may be all there are for what follows
    try:
        await ledger.flush()
        if isinstance(report.stopped, SourceError | UsageError) and not store.receipt_forgotten:
            return await ledger.query(Statements.forget_run)
        if not isinstance(report.stopped, asyncio.CancelledError):
            await ledger.query(lambda book: _write_catalogue(book, store, inventory, report))
            await ledger.query(lambda book: _write_errors(book, store))
        await ledger.query(lambda book: _write_receipt(book, store, report))
    except StorageError as error:
        report.stopped = report.stopped or error
        _last_words(store, report)
        raise
    except asyncio.CancelledError:
        store.disk_space.lose_patience()
        raise
    finally:
        await ledger.close()


def _write_receipt(book: Statements, store: LocalStore, report: Report) -> None:
    code = report.exit_code
    report.manifest_sha256 = book.manifest(book.run)
    _keep(store, RECEIPT, [_shown(report)])
    store.sync_directories([RECEIPT])
    book.end_run(report.finished, code)


def _shown(report: Report) -> bytes:
    return orjson.dumps(report.receipt(), option=orjson.OPT_INDENT_2) + b"\n"


def _last_words(store: LocalStore, report: Report) -> None:
    """On a full disk even the ledger may be lost for words: the receipt says at least how it ended."""
    store.use_reserve()
    with contextlib.suppress(MlhubError):
        store.write_pieces(RECEIPT, [_shown(report)])


def _write_catalogue(book: Statements, store: LocalStore, inventory: Inventory, report: Report) -> None:
    """Every collection that DEST holds, this run's and earlier ones', and the root above them."""
    _keep_extents(book, inventory.extents, report)
    rows: list[Row] = []
    children: list[tuple[str, str]] = []
    for name, body, href, extent_json in book.collections():
        path = book.path_of(name)
        if name == NO_COLLECTION or path is None:
            continue
        collection = Collection(name, orjson.loads(body), href) if body else name
        pieces = collection_json(
            collection,
            inventory.location(path, ""),
            book.item_paths(name),
            book.records(name, ""),
            _extent(extent_json),
        )
        written = _tried(book, report, path, partial(_put, store, path, pieces, name))
        rows += written
        title = collection.body.get("title") if isinstance(collection, Collection) else None
        children += [(title if isinstance(title, str) else name, path)] * len(written)
    words = f"A mirror made by mlhub-async of {report.source}"
    root = catalog_json(_name(report), words, children, book.item_paths(NO_COLLECTION))
    rows += _tried(book, report, CATALOG_FILE, partial(_put, store, CATALOG_FILE, root, ""))
    store.sync_directories(row[4] for row in rows)
    book.settle(rows)


def _keep_extents(book: Statements, spans: dict[str, Extent], report: Report) -> None:
    """What the items of this run span is added to what DEST spans already, but where that was pruned."""
    anew = report.listing.whole if report.pruned.items else frozenset()
    before = {name: kept for name, _, _, kept in book.collections() if name not in anew}
    for name, extent in spans.items():
        spanned = _extent(before.get(name))
        spanned.merge(extent)
        book.put_collection(name, None, "", orjson.dumps(spanned.state).decode())


def _extent(kept: str | None) -> Extent:
    return Extent(orjson.loads(kept) if kept else None)


def _name(report: Report) -> str:
    """What DEST is called, as text that JSON can hold."""
    return report.dest.resolve().name.encode("utf-8", "backslashreplace").decode() or "mirror"


def _tried(book: Statements, report: Report, path: str, put: Callable[[], Row]) -> list[Row]:
    """What is in the way of one document is a flaw of the run; the others are written all the same."""
    try:
        return [put()]
    except TransferError as error:
        flaw = Flaw(path, error)
        report.add_flaw(flaw)
        book.add_flaw(flaw, error_json(error))
        return []


def _put(store: LocalStore, path: str, pieces: Iterable[bytes], collection: str) -> Row:
    digest = hashlib.sha256()
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            yield piece

    mtime_ns = store.write_pieces(path, counted())
    facts = (size, mtime_ns, digest.hexdigest(), "none", "", "", "", "")
    return (collection, "", COLLECTION, "", path, DONE, *facts)


def _write_errors(book: Statements, store: LocalStore) -> None:
    lines = (escape_json_controls(orjson.dumps(row)) + b"\n" for row in book.missing(book.run))
    _keep(store, in_state(ERRORS_FILE), lines)


def _keep(store: LocalStore, path: str, pieces: Iterable[bytes]) -> None:
    """What the mirror says of itself has no other place: a run that cannot leave it there has failed."""
    try:
        store.write_pieces(path, pieces)
    except TransferError as error:
        raise StorageError(
            f"{error}; check the rights in {store.root} and what is in the way, then run again"
        ) from None
