"""Joins the shards of a mirror: one ledger, one catalogue, one receipt; or says what is not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ....core.errors import StorageError
from ....core.json_text import dumps
from ....core.model import ListingRemarks, Proof
from ....core.options import Options
from ....core.ports import DocumentStore
from ....stac.write.extent import Extent
from ....stac.write.hrefs import DocumentLocation
from ....storage.layout import LEDGER_FILE, MERGED_SHARDS_DIR, SHARDS_DIR, STATE_DIR
from ....storage.ledger.database import Statements
from ....storage.ledger.ledger import Ledger, LedgerStore
from ...report.completeness import Completeness
from ...report.receipt import Report
from ..run_end import Documents
from .folding import fold_in
from .found import FoundShard, all_shards

_COUNTS = ("selected", "filtered", "duplicates", "absent")
_PROOFS = {"verified_checksum": Proof.CHECKSUM, "verified_size": Proof.SIZE, "unverifiable": Proof.NONE}


class WholeStore(DocumentStore, LedgerStore, Protocol):
    """A directory with a whole mirror, which is locked."""

    root: Path
    state: Path


async def merge(store: WholeStore) -> Report:
    """Make one mirror of the shards in DEST, if all of them are there and whole. Fetches nothing.

    Raises `UsageError`, `CatalogError` where a shard has to be run again, `DamagedShard` and `StorageError`.
    Until it has ended, the shards stay as they are.
    """
    root = store.root
    _remove_leftovers(root)
    shards = all_shards(root)
    report = _report(root, shards)
    _discard_unfinished_ledger(root)
    ledger = Ledger(store.state, store)
    await ledger.open(report.source, dumps(report.selection).decode(), report.started)
    joined = False
    try:
        await ledger.query(lambda book: _join(book, store, shards, report))
        joined = True
    finally:
        await ledger.close()
        if not joined:
            _discard_unfinished_ledger(root)
    _remove_shards(root)
    return report


def _join(book: Statements, store: WholeStore, shards: Sequence[FoundShard], report: Report) -> None:
    for one in shards:
        fold_in(book, one, store.is_unchanged)
    places = shards[0].receipt["shard"]
    merged = _Merged(str(places.get("base", "")), str(places.get("source_root", "")))
    documents = Documents(store, merged, report, Options())
    documents.update_item_links(book)
    documents.write_catalogue(book)
    documents.compare_with_lockfile(book)
    documents.write_errors(book)
    report.finished = _now()
    documents.write_receipt(book)


@dataclass(frozen=True, slots=True)
class _Merged:
    """See `Places`. The extents are in the ledger already."""

    base: str
    source_root: str

    @property
    def extents(self) -> dict[str, Extent]:
        return {}

    def location(self, path: str, collection: str) -> DocumentLocation:
        return DocumentLocation(path, None, self.base, self.source_root)


def _report(root: Path, shards: Sequence[FoundShard]) -> Report:
    """The sum of what the shards report; of the listing, which all of them saw, what one does."""
    receipts = [one.receipt for one in shards]
    assets: Counter[str] = Counter()
    for receipt in receipts:
        assets.update(receipt["assets"])
    first = receipts[0]
    selection = {name: value for name, value in first["selection"].items() if name != "decided"}
    report = Report(first["source"], root, selection, min(one["started"] for one in receipts))
    for name in _COUNTS:
        setattr(report, name, assets[name])
    report.skipped = sum(assets[name] for name in _PROOFS)
    report.failures = report.lasting = assets["failed"]
    report.lasting += any(one["exit_code"] == 4 for one in receipts)
    report.proofs = Counter({proof: assets[name] for name, proof in _PROOFS.items()})
    report.bytes = sum(one["bytes"] for one in receipts)
    report.listing = _listing(receipts)
    report.dangling = max(one["listing"].get("dangling_source_links", 0) for one in receipts)
    return report


def _listing(receipts: Sequence[dict[str, Any]]) -> Completeness:
    said = next(
        (one["listing"] for one in receipts if not one["listing"]["complete"]), receipts[0]["listing"]
    )
    listing = Completeness(pages=said["pages"], seen=said["seen"], unique=said["unique"], ended=True)
    listing.flaws = list(said["reasons"])
    listing.lasting_flaws = len(listing.flaws)
    decided = receipts[0]["selection"].get("decided", {})
    listing.remarks = ListingRemarks({**said, "joined": len(receipts)}, decided=decided)
    return listing


def _discard_unfinished_ledger(root: Path) -> None:
    """That of a merge that was killed: where there are shards, all that is known is in theirs."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            (root / STATE_DIR / f"{LEDGER_FILE}{suffix}").unlink()


def _remove_shards(root: Path) -> None:
    """By one rename first: a merge that is killed here leaves all of them or none."""
    state = root / STATE_DIR
    try:
        os.rename(state / SHARDS_DIR, state / MERGED_SHARDS_DIR)
    except OSError as error:
        raise StorageError(f"{state / SHARDS_DIR}: {error.strerror}; remove it") from None
    _remove_leftovers(root)


def _remove_leftovers(root: Path) -> None:
    shutil.rmtree(root / STATE_DIR / MERGED_SHARDS_DIR, ignore_errors=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
