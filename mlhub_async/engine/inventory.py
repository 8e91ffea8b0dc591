"""The items in progress: batches of entries become claims and jobs, outcomes become written items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .. import stac
from ..core.errors import TransferError
from ..core.model import (
    NO_COLLECTION,
    Collection,
    Concern,
    Flaw,
    Item,
    JsonObject,
    Outcome,
    Status,
)
from ..core.options import ASSET_CONDITIONS, Options, Selection
from ..stac.write.encode import to_json
from ..stac.write.extent import Extent
from ..stac.write.hrefs import DocumentLocation
from ..stac.write.item import Fingerprinter, item_json
from ..stac.write.versions import readable_body
from ..storage.ledger.claims.assignment import ClaimRequest, ClaimResult
from ..storage.ledger.database import changed_items
from ..storage.ledger.ledger import Ledger
from ..storage.ledger.lookups.item_links import note_addresses, note_written, related_paths
from ..storage.ledger.recovery import DocumentRecords
from ..storage.ledger.schema import ITEM
from ..transfer.existing import ExistingFilePolicy
from .placement.items import BatchResult, PendingItem
from .placement.paths import (
    address_hashes,
    claim_request,
    collection_request,
    contradiction,
    count_assets,
    differs,
    job_of,
    refusal,
)

if TYPE_CHECKING:
    from ..core.ports import Store
    from ..stac.write.projection import GridReader, Projection


class Inventory:
    """Holds every item from the claim of its assets until the last of them is settled and it is written.

    Its memory is bounded by the back-pressure of the executor: a written item is forgotten.
    """

    def __init__(
        self,
        ledger: Ledger,
        files: DocumentRecords,
        options: Options,
        existing: ExistingFilePolicy,
        *,
        base: str,
        source_root: str,
        skips_unchanged: bool,
        grid_of: GridReader | None = None,
    ) -> None:
        """`base`, `source_root`: see `DocumentLocation`. `skips_unchanged`: the ledger has files of an
        earlier run, and nobody listens to what becomes of each asset. `grid_of` reads the grid of a finished
        raster; None: items are written as they came."""
        self._grid_of = grid_of
        self._ledger = ledger
        self._files = files
        self._options = options
        self._existing = existing
        self._wants_of = stac.asset_filters(options.selection)
        self._base = base
        self._source_root = source_root
        self._fingerprinter = _fingerprinter(options, options.selection, base, source_root)
        self._source_fingerprinter = _fingerprinter(
            options, options.selection.of_sources(), base, source_root
        )
        self._skips_unchanged = skips_unchanged and existing.keeps_unchanged_items
        self._claimed: dict[tuple[str, str], Item] = {}
        """items whose assets are claimed, and that are not among `_pending` yet"""
        self._pending: dict[tuple[str, str], PendingItem] = {}
        self._extents: dict[str, Extent] = {}
        self._schemes: dict[str, JsonObject] = {}
        """authentication schemes by collection, for items that refer to one without describing it"""
        self._collection_paths: dict[str, str] = {}
        """paths of the documents of the collections of this run"""
        self._collection_stamps: dict[str, dict[str, str]] = {}
        """of the assets of the collections of this run, by key: what the catalogue says of them"""
        self.flaws: list[Flaw] = []
        """items whose own document could not be written; the reader of this list empties it"""

    async def claim(
        self, owners: Sequence[Item | Collection], pass_name: str | None = None, *, is_final: bool = False
    ) -> BatchResult:
        """Claim the selected assets of a batch in the ledger, all at once, and make jobs of them.

        `pass_name` names the pass over its listing that the batch is from, if it is not the first.
        `is_final`: there will be no further pass, so an item that is listed twice must be the same twice.
        """
        batch, repeated, contrary = BatchResult(), [], []
        remaining = await self._skip_unchanged(owners, batch) if self._skips_unchanged else owners
        await self._claim_collections(remaining)
        requests = [self._request(owner) for owner in remaining]
        results = await self._ledger.claim([request for request, _ in requests]) if requests else []
        given = [owner for owner, result in zip(remaining, results, strict=True) if result is not None]
        self._claimed |= {(one.collection, one.id): one for one in given if isinstance(one, Item)}
        for owner, (request, filtered), result in zip(remaining, requests, results, strict=True):
            batch.items += isinstance(owner, Item)
            if result is None:
                repeated.append(request)
            else:
                await self._start(owner, result, batch, request)
                batch.duplicates += len(request.assets) - len(result.claims)
                batch.filtered += filtered
                if isinstance(owner, Collection) and self._is_contrary(request):
                    contrary.append(request)
        self.flaws += map(contradiction, contrary if is_final else ())
        batch.repeated = len(repeated)
        if pass_name is None:
            batch.duplicates += sum(len(request.assets) for request in repeated)
            changed = await self._changed(repeated)
            self.flaws += map(contradiction, changed if is_final else ())
            batch.changed_at_first = 0 if is_final else len(changed)
        else:
            batch.repeated_in_pass = batch.items - await self._count_first(owners, pass_name)
            batch.changed = len(await self._changed(repeated))
        batch.changed += 0 if is_final else len(contrary)
        return batch

    def _is_contrary(self, request: ClaimRequest) -> bool:
        """Whether an asset of a collection was described otherwise before, in this run."""
        if not request.assets:
            return False
        stamps = self._collection_stamps.setdefault(request.collection, {})
        return any(
            [stamps.setdefault(one.asset.key, one.asset.stamp) != one.asset.stamp for one in request.assets]
        )

    async def _skip_unchanged(
        self, owners: Sequence[Item | Collection], batch: BatchResult
    ) -> Sequence[Item | Collection]:
        """Count the items that are unchanged since an earlier run; returns the other owners."""
        from ..storage.ledger.lookups.unchanged import ItemFingerprint

        await self._claim_collections(owners)
        items = [owner for owner in owners if isinstance(owner, Item)]
        fingerprints = [ItemFingerprint(one.collection, one.id, self._fingerprint(one)) for one in items]
        answers = iter(await self._ledger.confirm(fingerprints))
        remaining: list[Item | Collection] = []
        for owner in owners:
            if isinstance(owner, Item) and (unchanged := next(answers)) is not None:
                self._extents.setdefault(owner.collection, Extent()).add(owner.body)
                batch.add_unchanged(unchanged, count_assets(owner))
                self._note_addresses(owner)
            else:
                remaining.append(owner)
        return remaining

    def _note_addresses(self, item: Item) -> None:
        """Of an unchanged item: it may be read by another link than before, which is redirected."""
        if len(set(item.addresses)) > 1:
            rows = [(item.collection, item.id, one) for one in address_hashes(item)]
            self._ledger.enqueue(lambda book: note_addresses(book.database, rows))

    async def _claim_collections(self, owners: Sequence[Item | Collection]) -> None:
        """Claim the documents of collections that are new to this run, and so the directories of items."""
        named = (owner.collection if isinstance(owner, Item) else owner.id for owner in owners)
        new = [name for name in dict.fromkeys(named) if name not in self._collection_paths]
        results = await self._ledger.claim([collection_request(name) for name in new]) if new else []
        for name, result in zip(new, results, strict=True):
            if result is not None:
                self._collection_paths[name] = result.path

    def _request(self, owner: Item | Collection) -> tuple[ClaimRequest, int]:
        """The claim request of an owner, and how many of its assets are not selected."""
        if isinstance(owner, Item):
            assets = stac.assets_of(owner, self._schemes.get(owner.collection))
        else:
            assets = stac.collection_assets(owner)
            if isinstance(schemes := owner.body.get("auth:schemes"), dict):
                self._schemes[owner.id] = schemes
        document = self._collection_paths[owner.collection if isinstance(owner, Item) else owner.id]
        request = claim_request(owner, assets, self._wants_of(owner), self._options.template, document)
        selected = len(request.assets)
        if owner.directories:
            selected = len({one.asset.directory or one.asset.key for one in request.assets})
        return request, len(assets) - selected

    async def _start(
        self, owner: Item | Collection, result: ClaimResult, batch: BatchResult, request: ClaimRequest
    ) -> None:
        claims = await self._files.claims_with_records(result, readable_body(owner))
        if owner.directories:
            batch.unlisted += sum(not one.members for one in owner.directories.values())
            refused = [(job_of(one, self._existing)[0], refusal(one, owner)) for one in claims]
            batch.refused += [(job, error) for job, error in refused if error is not None]
            claims = [one for one, (_, error) in zip(claims, refused, strict=True) if error is None]
        batch.jobs += [job_of(claim, self._existing) for claim in claims]
        if isinstance(owner, Collection):
            try:
                self._keep_collection(owner)
            except TransferError as error:
                self.flaws.append(Flaw(result.path, error, concern=Concern.MIRROR))
            return
        self._extents.setdefault(owner.collection, Extent()).add(owner.body)
        facts = result.path, len(result.claims), result.document, len(request.assets), bool(request.links)
        pending = PendingItem(owner, *facts, await self._files.unselected(result))
        if result.claims:
            self._pending[owner.collection, owner.id] = pending
        else:
            batch.finished.append(await self.write(pending))
        del self._claimed[owner.collection, owner.id]

    def _keep_collection(self, collection: Collection) -> None:
        body = to_json(collection.body)
        self._ledger.enqueue(lambda book: book.put_collection(collection.id, body, collection.href, None))

    async def _changed(self, repeated: Sequence[ClaimRequest]) -> list[ClaimRequest]:
        """Those items that the catalogue describes otherwise than when they were claimed in this run.

        Where changes of an asset do not matter, and the ledger keeps the description of an earlier run, these
        are the items that have further assets.
        """
        if not repeated:
            return []
        heeded = self._existing.heeds_changes
        ended, changed = self._compare_under_way(repeated)
        if found := await self._ledger.query(lambda book: changed_items(book, ended, heeded)):
            # Another call may not have gone on by now from a claim that the ledger had before this one.
            ended, late = self._compare_under_way(found)
            await self._ledger.flush()  # rows that are not in the database yet may be as these are
            changed += late + await self._ledger.query(lambda book: changed_items(book, ended, heeded))
        return changed

    def _compare_under_way(
        self, repeated: Sequence[ClaimRequest]
    ) -> tuple[list[ClaimRequest], list[ClaimRequest]]:
        """Those items whose assets are all settled, and of the others those that have changed."""
        ended, changed = [], []
        for one in repeated:
            pending = self._pending.get((one.collection, one.item))
            item = pending.item if pending else self._claimed.get((one.collection, one.item))
            if item is None:
                ended.append(one)
            elif differs(one, self._request(item)[0], self._existing.heeds_changes):
                changed.append(one)
        return ended, changed

    async def _count_first(self, owners: Sequence[Item | Collection], pass_name: str) -> int:
        """How many of the items are listed for the first time in this pass."""
        items = [owner for owner in owners if isinstance(owner, Item)]
        keys = ["\0".join((pass_name, item.collection, item.id)) for item in items]
        return len(await self._ledger.first_time(keys))

    def settle(self, outcomes: Iterable[Outcome]) -> list[PendingItem]:
        """Note the outcomes of assets. Returns the items that are complete with them, to be written."""
        complete = []
        for outcome in outcomes:
            asset = outcome.job.asset
            pending = self._pending.get((asset.collection, asset.item))
            if pending is None:
                continue
            pending.missing -= 1
            if outcome.record is not None:
                pending.records[asset.key] = outcome.record
                pending.is_described = pending.is_described and outcome.error is None
            elif outcome.status is Status.ABSENT:
                pending.selected -= 1
            else:
                pending.failed.add(asset.key)
            if not pending.missing:
                complete.append(self._pending.pop((asset.collection, asset.item)))
        return complete

    async def write(self, pending: PendingItem) -> PendingItem:
        """Write the document of an item, unless an earlier run has left it just so."""
        item, before = pending.item, pending.document
        try:
            projections = await self._projections(pending)
            location = self.location(pending.path, item.collection)
            related = await self._related_paths(item) if pending.has_links else {}
            data = item_json(item, pending.stored, location, projections, related)
            digest = hashlib.sha256(data).hexdigest()
            identity = (item.collection, item.id, ITEM, "")
            is_whole = len(pending.records) == pending.selected
            is_described = pending.is_described and self._existing.heeds_changes
            fingerprint = self._fingerprint(item) if is_whole and is_described else ""
            if before is None or before.sha256 != digest or not await self._files.is_as_recorded(before):
                await self._ledger.record_document(identity, pending.path, data, digest, fingerprint)
            elif fingerprint:
                self._ledger.record_unchanged_document(identity, before, fingerprint)
            if pending.has_links:
                owner = (item.collection, item.id)
                self._ledger.enqueue(lambda book: note_written(book.database, owner, related))
        except TransferError as error:
            self.flaws.append(Flaw(pending.path, error, concern=Concern.MIRROR))
        return pending

    async def _projections(self, pending: PendingItem) -> Mapping[str, Projection]:
        if self._grid_of is None:
            return {}
        from ..stac.write.projection import projections_of

        return await projections_of(pending.files, self._grid_of)

    async def _related_paths(self, item: Item) -> dict[int, str]:
        """Items in DEST that the links of an item lead to; of a new DEST the end of the run finds them."""
        if not self._ledger.resumed:
            return {}
        owner = (item.collection, item.id)
        return await self._ledger.query(lambda book: related_paths(book.database, owner))

    def _fingerprint(self, item: Item) -> str:
        fingerprinter = self._source_fingerprinter if item.followed else self._fingerprinter
        return fingerprinter.fingerprint(item, self._collection_paths.get(item.collection))

    def location(self, path: str, collection: str) -> DocumentLocation:
        """Where the document at `path` lies; `collection` is the id of its item's collection, or ""."""
        parent = None if collection in ("", NO_COLLECTION) else self._collection_paths[collection]
        return DocumentLocation(path, parent, self._base, self._source_root)

    @property
    def extents(self) -> dict[str, Extent]:
        """The extent of the items of each collection of this run."""
        return {name: self._extents.get(name, Extent()) for name in self._collection_paths}


def grid_reader(store: Store, options: Options) -> GridReader | None:
    """Reads the grids of rasters in DEST, where `--enrich` asks for them."""
    if not options.enrich:
        return None
    from ..stac.write.projection import projection_of

    return partial(store.inspect, examine=projection_of)


def _fingerprinter(options: Options, chosen: Selection, base: str, source_root: str) -> Fingerprinter:
    conditions = (getattr(chosen, name) for name in ASSET_CONDITIONS)
    compared = options.verify != "size"  # what was not compared is no reason to keep a file later
    return Fingerprinter(options.template, base, source_root, *conditions, options.enrich, compared)
