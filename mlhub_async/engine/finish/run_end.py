"""The end of a run: writes the catalogue above the items, errors.jsonl and the receipt; closes the ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from ...core.checksum import CountedPieces
from ...core.errors import MlhubError, SourceError, StorageError, TransferError, UsageError, error_json
from ...core.json_text import dumps, loads, parse_json
from ...core.model import NO_COLLECTION, Collection, Concern, Flaw
from ...core.urls import escape_json_controls
from ...stac.write.collection import catalog_json, collection_json
from ...stac.write.extent import Extent
from ...stac.write.hrefs import DocumentLocation
from ...stac.write.item import stored_assets
from ...storage.layout import (
    CATALOG_FILE,
    CRATE_FILE,
    CROISSANT_FILE,
    CROISSANT_FILES,
    ERRORS_FILE,
    INDEX_FILES,
    RECEIPT_FILE,
)
from ...storage.ledger.database import Statements
from ...storage.ledger.ledger import Ledger
from ...storage.ledger.rows import Row
from ...storage.ledger.schema import COLLECTION, DONE
from ..pipeline import Run
from ..report.receipt import Report
from .item_links import update_item_links

if TYPE_CHECKING:
    from ...core.options import Options
    from ...core.ports import DocumentStore


async def finish_run(run: Run, finished: str) -> None:
    """Write the documents of a mirror, then close the ledger. After Ctrl-C only errors.jsonl and the receipt,
    at once, also where it comes while the documents are written.

    A run that came to no listing leaves receipt and ledger as an earlier one left them: it says nothing
    about the files. Raises `StorageError` if the disk refuses, but not after Ctrl-C.
    """
    run.report.finished = finished
    if run.share is not None:
        run.report.shard = run.share.receipt()
    if run.report.stopped is not None:
        run.store.stop_waiting()
    try:
        await _write_all(run, Documents(run.store, run.inventory, run.report, run.options))
    except StorageError:
        # After Ctrl-C on a full disk: the write-ahead log has what the ledger could not take.
        if not isinstance(run.report.stopped, asyncio.CancelledError):
            raise


async def abandon(ledger: Ledger) -> None:
    """Close the open ledger of a run that could not begin, as the run before left it."""
    try:
        await ledger.query(Statements.forget_run)
    finally:
        await ledger.close()


async def _write_all(run: Run, documents: Documents) -> None:
    report, ledger, store = run.report, run.ledger, run.store
    store.release_descriptors()  # its descriptors may be the only ones left for what follows
    try:
        await ledger.flush()
        if report.stopped is None:
            if not ledger.path.exists():
                raise _displaced(str(ledger.path))
            await ledger.query(documents.check_displaced)
        if isinstance(report.stopped, SourceError | UsageError) and not store.receipt_removed:
            return await ledger.query(Statements.forget_run)
        if not isinstance(report.stopped, asyncio.CancelledError):
            if run.share is not None:
                await ledger.query(documents.keep_extents)
            else:
                await ledger.query(documents.update_item_links)
                await ledger.query(documents.write_catalogue)
                await ledger.query(documents.write_index)
                await ledger.query(documents.write_croissant)
                await ledger.query(documents.write_crate)
                await ledger.query(documents.compare_with_lockfile)
            await ledger.query(documents.write_errors)
        await ledger.query(documents.write_receipt)
    except StorageError as error:
        report.stopped = report.stopped or error
        documents.write_last_receipt()
        raise
    except asyncio.CancelledError as error:
        store.stop_waiting()
        if not isinstance(report.stopped, asyncio.CancelledError):
            report.stopped = error
            with contextlib.suppress(StorageError):
                await ledger.flush()
                await ledger.query(documents.write_what_is_left)
        raise
    finally:
        await ledger.close()


def _displaced(path: str) -> StorageError:
    return StorageError(f"{path}: another program removed or moved it during the run; run again")


class Places(Protocol):
    """Where documents are, and what the items of this run cover: see `Inventory`."""

    @property
    def extents(self) -> dict[str, Extent]: ...

    def location(self, path: str, collection: str) -> DocumentLocation: ...


@dataclass(slots=True, eq=False, repr=False)
class Documents:
    """Writes the documents that describe a mirror. Those that need the ledger run in its thread."""

    store: DocumentStore
    inventory: Places
    report: Report
    options: Options

    def check_displaced(self, book: Statements) -> None:
        """Raises `StorageError` if finished files are not in directories that another program has removed.

        One that had no finished file is no loss: it was created again.
        """
        folders = self.store.displaced
        if "" in folders:
            raise _displaced(self.store.name)
        for _, record in book.finished() if folders else ():
            above = (folder.as_posix() for folder in PurePosixPath(record.path).parents)
            if not folders.isdisjoint(above) and not self.store.is_unchanged(
                record.path, record.size, record.mtime_ns
            ):
                raise _displaced(record.path)

    def update_item_links(self, book: Statements) -> None:
        """Items whose links to other items lead elsewhere by now. One that cannot be written is a flaw."""
        for flaw in update_item_links(book, self.store):
            self._note_flaw(book, flaw)

    def write_catalogue(self, book: Statements) -> None:
        """The document of every collection in DEST, of this run and earlier ones, and the root catalogue."""
        self.keep_extents(book)
        rows: list[Row] = []
        children: list[tuple[str, str]] = []
        for name, body, href, extent_json in book.collections():
            path = book.path_of(name)
            if name == NO_COLLECTION or path is None:
                continue
            collection = Collection(name, parse_json(body), href) if body else name
            parsed = collection.body if isinstance(collection, Collection) else {}
            pieces = collection_json(
                collection,
                self.inventory.location(path, ""),
                book.item_paths(name),
                stored_assets(parsed, book.records(name, ""), book.missing_keys(name, "")),
                _extent_of(extent_json),
            )
            written = self._try_to_write(book, path, pieces, name)
            rows += written
            title = collection.body.get("title") if isinstance(collection, Collection) else None
            children += [(title if isinstance(title, str) else name, path)] * len(written)
        description = f"A mirror made by mlhub-async of {self.report.source}"
        root = catalog_json(_catalogue_id(self.report), description, children, book.item_paths(NO_COLLECTION))
        rows += self._try_to_write(book, CATALOG_FILE, root, "")
        self.store.sync_names(row[4] for row in rows)
        book.settle(rows)

    def write_index(self, book: Statements) -> None:
        """The files that list all items. One that cannot be written is a flaw."""
        if not self.options.index and not book.index_files(INDEX_FILES):
            return
        from .index import IndexFiles

        try:
            IndexFiles(self.store, book).update(wanted=self.options.index)
        except TransferError as error:
            self._note_flaw(book, Flaw("index", error, concern=Concern.MIRROR))

    def write_croissant(self, book: Statements) -> None:
        """The description of all files, after all others. One that cannot be written is a flaw."""
        if not self.options.croissant and not book.index_files(CROISSANT_FILES):
            return
        from .croissant import CroissantFiles

        try:
            CroissantFiles(self.store, book).update(_catalogue_id(self.report), self.report.source)
        except TransferError as error:
            self._note_flaw(book, Flaw(CROISSANT_FILE, error, concern=Concern.MIRROR))

    def write_crate(self, book: Statements) -> None:
        """The same as a research object."""
        if not self.options.ro_crate and not book.index_files((CRATE_FILE,)):
            return
        from .ro_crate import CrateFile

        try:
            CrateFile(self.store, book).update(_catalogue_id(self.report), self.report.source)
        except TransferError as error:
            self._note_flaw(book, Flaw(CRATE_FILE, error, concern=Concern.MIRROR))

    def keep_extents(self, book: Statements) -> None:
        """Add the extents of this run's items to those in the ledger; replace those of pruned collections."""
        replaced = self.report.listing.whole if self.report.pruned.items else frozenset()
        earlier = {name: kept for name, _, _, kept in book.collections() if name not in replaced}
        for name, extent in self.inventory.extents.items():
            merged = _extent_of(earlier.get(name))
            merged.merge(extent)
            book.put_collection(name, None, "", dumps(merged.state).decode())

    def _try_to_write(
        self, book: Statements, path: str, pieces: Iterable[bytes], collection: str
    ) -> list[Row]:
        """The row of a written document. One that cannot be written is a flaw; the others are written."""
        try:
            return [_write_document(self.store, path, pieces, collection)]
        except TransferError as error:
            self._note_flaw(book, Flaw(path, error, concern=Concern.MIRROR))
            return []

    def _note_flaw(self, book: Statements, flaw: Flaw) -> None:
        self.report.add_flaw(flaw)
        book.add_flaw(flaw, error_json(flaw.error))

    def compare_with_lockfile(self, book: Statements) -> None:
        """Where SOURCE is a lockfile: a flaw, if the files are there and are not those that it names."""
        locked = self.report.listing.remarks.receipt.get("lockfile")
        if locked is None or not self.report.complete or book.manifest(book.run) == locked["manifest_sha256"]:
            return
        words = f"the files are not those of {self.report.source}: their manifest_sha256 is another one"
        advice = "the lockfile was changed, or other files have their paths in DEST"
        error = TransferError(f"{words}; {advice}", kind="lockfile")
        self._note_flaw(book, Flaw(self.report.source, error, concern=Concern.MIRROR))

    def write_what_is_left(self, book: Statements) -> None:
        """Errors and receipt of a run that was interrupted at its end, unless it has written them."""
        if not book.has_ended:
            self.write_errors(book)
            self.write_receipt(book)

    def write_errors(self, book: Statements) -> None:
        """One line for every asset that is missing and every record that could not be used."""
        lines = (escape_json_controls(dumps(row)) + b"\n" for row in book.missing(book.run))
        self._write_state_file(self.report.in_state(ERRORS_FILE), lines)

    def write_receipt(self, book: Statements) -> None:
        """The receipt, then the end of the run in the ledger."""
        code = self.report.exit_code
        self.report.manifest_sha256 = book.manifest(book.run)
        self._write_state_file(self.report.in_state(RECEIPT_FILE), [self._receipt()])
        self.store.sync_names([self.report.in_state(RECEIPT_FILE)])
        book.end_run(self.report.finished, code)

    def write_last_receipt(self) -> None:
        """On a full disk, where the ledger takes nothing more: a receipt that says how the run ended."""
        self.store.release_reserve()
        with contextlib.suppress(MlhubError):
            self.store.put_pieces(self.report.in_state(RECEIPT_FILE), [self._receipt()])

    def _receipt(self) -> bytes:
        return dumps(self.report.receipt(), indent=True) + b"\n"

    def _write_state_file(self, path: str, pieces: Iterable[bytes]) -> None:
        """A run that cannot write this has failed: there is no other place for it."""
        try:
            self.store.put_pieces(path, pieces)
        except TransferError as error:
            raise StorageError(
                f"{error}; check the rights in {self.store.name} and what is in the way, then run again"
            ) from None


def _write_document(store: DocumentStore, path: str, pieces: Iterable[bytes], collection: str) -> Row:
    counted = CountedPieces(pieces)
    mtime_ns = store.put_pieces(path, counted)
    facts = (counted.size, mtime_ns, counted.sha256, "none", "", "", "", "")
    return (collection, "", COLLECTION, "", path, DONE, *facts)


def _extent_of(state_json: str | None) -> Extent:
    return Extent(loads(state_json) if state_json else None)


def _catalogue_id(report: Report) -> str:
    """The name of DEST, as text that JSON can hold."""
    dest = report.dest.resolve() if isinstance(report.dest, Path) else PurePosixPath(str(report.dest))
    return dest.name.encode("utf-8", "backslashreplace").decode() or "mirror"
