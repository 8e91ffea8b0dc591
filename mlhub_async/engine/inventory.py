"""Which items are under way: entries of the listing become jobs, outcomes become finished items."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import stac
from ..core.errors import TransferError
from ..core.model import NO_COLLECTION, Collection, Flaw, Item, Job, Outcome, Record
from ..core.options import Options
from ..stac.write.encode import to_json
from ..stac.write.extent import Extent
from ..stac.write.hrefs import DocumentLocation
from ..stac.write.item import Fingerprinter, item_json
from ..storage.ledger.claims import ClaimRequest, ClaimResult
from ..storage.ledger.database import changed
from ..storage.ledger.ledger import Ledger
from ..storage.ledger.recovery import DocumentRecords
from ..storage.ledger.schema import ITEM
from ..storage.ledger.unchanged import ItemFingerprint, UnchangedItem
from ..transfer.existing import ExistingFilePolicy
from .placement import document_path, job_of, wanted


class Inventory:
    """Memory is bounded by the queue: an item is forgotten when its last asset is settled."""

    def __init__(
        self,
        ledger: Ledger,
        files: DocumentRecords,
        options: Options,
        existing: ExistingFilePolicy,
        *,
        base: str,
        source_root: str,
        confirms: bool,
    ) -> None:
        """`confirms`: an earlier run has left something, and nobody wants to hear of every asset of it."""
        self._ledger = ledger
        self._files = files
        self._options = options
        self._existing = existing
        self._wants = stac.asset_filter(options.selection)
        self._base = base
        self._source_root = source_root
        chosen = options.selection
        self._sealer = Fingerprinter(
            options.path_template,
            base,
            source_root,
            chosen.include,
            chosen.exclude,
            chosen.roles,
            chosen.media_types,
            chosen.min_size,
            chosen.max_size,
        )
        self._sealing = confirms and existing.keeps_unchanged_items
        self._open: dict[tuple[str, str], PendingItem] = {}
        self._extents: dict[str, Extent] = {}
        self._homes: dict[str, str] = {}
        self.flaws: list[Flaw] = []
        """items whose own document could not be written; whoever reports them takes them out"""

    async def take(
        self, owners: Sequence[Item | Collection], rereading: str | None = None, *, final: bool = False
    ) -> BatchResult:
        """Claim the wanted assets of a batch in the ledger, all at once, and make jobs of them.

        `rereading`: which reading of its listing it is from, if that one is read again. `final`: it will
        not be, so that an item that comes twice has to say the same both times.
        """
        taken, repeated = BatchResult(), []
        left = await self._confirm(owners, taken) if self._sealing else owners
        homes = self._new_homes(left)
        asked = [self._wanted(owner) for owner in left]
        requests = [*homes, *(request for request, _ in asked)]
        answers = await self._ledger.claim(requests) if requests else []
        self._keep_homes(homes, answers)
        for owner, (request, filtered), claimed in zip(left, asked, answers[len(homes) :], strict=True):
            taken.items += isinstance(owner, Item)
            if claimed is None:
                repeated.append(request)
            else:
                await self._start(owner, claimed, taken, len(request.assets))
                taken.duplicates += len(request.assets) - len(claimed.claims)
                taken.filtered += filtered
        taken.repeated = len(repeated)
        if rereading is None:
            taken.duplicates += sum(len(request.assets) for request in repeated)
            self.flaws += map(_contradiction, await self._changed(repeated) if final else ())
        else:
            taken.again = taken.items - await self._come_first(owners, rereading)
            taken.changed = len(await self._changed(repeated))
        return taken

    async def _confirm(
        self, owners: Sequence[Item | Collection], taken: BatchResult
    ) -> Sequence[Item | Collection]:
        """Count what needs no work; the owners that are left over."""
        if homes := self._new_homes(owners):
            self._keep_homes(homes, await self._ledger.claim(homes))
        asked = [
            ItemFingerprint(one.collection, one.id, self._seal(one))
            for one in owners
            if isinstance(one, Item)
        ]
        answers = iter(await self._ledger.confirm(asked))
        left: list[Item | Collection] = []
        for owner in owners:
            if isinstance(owner, Item) and (found := next(answers)) is not None:
                self._extents.setdefault(owner.collection, Extent()).add(owner.body)
                taken.confirm(found, _declared(owner))
            else:
                left.append(owner)
        return left

    def _seal(self, item: Item) -> str:
        return self._sealer.fingerprint(item, self._homes.get(item.collection))

    async def _come_first(self, owners: Sequence[Item | Collection], reading: str) -> int:
        """How many of the items had not come in this reading before."""
        items = [owner for owner in owners if isinstance(owner, Item)]
        return len(
            await self._ledger.first_time(["\0".join((reading, item.collection, item.id)) for item in items])
        )

    async def _changed(self, repeated: Sequence[ClaimRequest]) -> list[ClaimRequest]:
        """Those items that the catalogue described otherwise when they were taken."""
        if not repeated or not self._existing.heeds_changes:
            return []  # then the ledger keeps the word of an earlier run
        open_ones = [(one, self._open.get((one.collection, one.item))) for one in repeated]
        settled = [one for one, under_way in open_ones if under_way is None]
        if found := await self._ledger.query(lambda book: changed(book, settled)):
            await self._ledger.flush()  # what is not written down yet may be what they say now
            found = await self._ledger.query(lambda book: changed(book, found))
        return found + [
            one
            for one, under_way in open_ones
            if under_way and _stamps(one) != _stamps(self._wanted(under_way.item)[0])
        ]

    def _new_homes(self, owners: Sequence[Item | Collection]) -> list[ClaimRequest]:
        named = (owner.collection if isinstance(owner, Item) else owner.id for owner in owners)
        new = [name for name in dict.fromkeys(named) if name not in self._homes]
        return [ClaimRequest(name, "", document_path(name, ""), ()) for name in new]

    def _keep_homes(self, homes: Sequence[ClaimRequest], answers: Sequence[ClaimResult | None]) -> None:
        for home, answer in zip(homes, answers, strict=False):
            if answer is not None:
                self._homes[home.collection] = answer.path

    def _wanted(self, owner: Item | Collection) -> tuple[ClaimRequest, int]:
        """What is asked for on behalf of an owner, and how many of its assets are not."""
        assets = stac.assets_of(owner) if isinstance(owner, Item) else stac.collection_assets(owner)
        request = wanted(owner, assets, self._wants, self._options.path_template)
        return request, len(assets) - len(request.assets)

    async def _start(
        self, owner: Item | Collection, claimed: ClaimResult, taken: BatchResult, wanted: int
    ) -> None:
        claims = await self._files.known(claimed, owner.body)
        taken.jobs += [job_of(claim, self._existing) for claim in claims]
        if isinstance(owner, Collection):
            try:
                self._keep_collection(owner)
            except TransferError as error:
                self.flaws.append(Flaw(claimed.path, error))
            return
        self._extents.setdefault(owner.collection, Extent()).add(owner.body)
        entry = PendingItem(owner, claimed.path, len(claimed.claims), claimed.document, wanted)
        if claimed.claims:
            self._open[owner.collection, owner.id] = entry
        else:
            taken.finished.append(await self._finish(entry))

    def _keep_collection(self, collection: Collection) -> None:
        body = to_json(collection.body)
        self._ledger.enqueue(lambda book: book.put_collection(collection.id, body, collection.href, None))

    async def settle(self, outcome: Outcome) -> PendingItem | None:
        """Note one asset's outcome. With the last one its item is written, and returned."""
        asset = outcome.job.asset
        entry = self._open.get((asset.collection, asset.item))
        if entry is None:
            return None
        entry.missing -= 1
        if outcome.record is not None:
            entry.records[asset.key] = outcome.record
        if entry.missing:
            return None
        del self._open[asset.collection, asset.item]
        return await self._finish(entry)

    async def _finish(self, entry: PendingItem) -> PendingItem:
        item = entry.item
        try:
            data = item_json(item, entry.records, self.place(entry.path, item.collection))
            digest = hashlib.sha256(data).hexdigest()
            identity = (item.collection, item.id, ITEM, "")
            seal = self._seal(item) if len(entry.records) == entry.wanted else ""
            before = entry.document
            if before is None or before.sha256 != digest or not await self._files.is_as_recorded(before):
                await self._ledger.record_document(identity, entry.path, data, digest, seal)
            elif seal:
                self._ledger.seal(identity, before, seal)
        except TransferError as error:
            self.flaws.append(Flaw(entry.path, error))
        return entry

    def place(self, path: str, collection: str) -> DocumentLocation:
        parent = None if collection in ("", NO_COLLECTION) else self._homes[collection]
        return DocumentLocation(path, parent, self._base, self._source_root)

    @property
    def spans(self) -> dict[str, Extent]:
        """What the items of each collection of this run span."""
        return {name: self._extents.get(name, Extent()) for name in self._homes}


def _declared(item: Item) -> int:
    assets = item.body.get("assets")
    return len(assets) if isinstance(assets, dict) else 0


def _contradiction(request: ClaimRequest) -> Flaw:
    where = f"{request.collection}/{request.item}"
    message = f"{where} is listed twice, with different assets: what is here is as the first one says"
    owner = (request.collection, request.item)
    return Flaw(where, TransferError(message, kind="contradiction"), owner=owner)


def _stamps(request: ClaimRequest) -> list[str]:
    return [wish.asset.stamp for wish in request.assets]


@dataclass(slots=True)
class PendingItem:
    """An item that misses so many of its assets, and the records of those that are there.

    `document`: the record of its document as an earlier run wrote it.
    """

    item: Item
    path: str
    missing: int
    document: Record | None = None
    wanted: int = 0
    """how many of its assets there should be"""
    records: dict[str, Record] = field(default_factory=dict)


@dataclass(slots=True)
class BatchResult:
    """What a batch of entries came to: jobs to do, outcomes that need no work, and what was left out."""

    jobs: list[tuple[Job, bool]] = field(default_factory=list)
    finished: list[PendingItem] = field(default_factory=list)
    items: int = 0
    repeated: int = 0
    filtered: int = 0
    duplicates: int = 0
    confirmed: int = 0
    """assets that need no look: nothing of their items has changed, and they are as they were left"""
    bytes: int = 0
    proofs: Counter[str] = field(default_factory=Counter)
    """of these"""
    again: int | None = None
    """how many items had come in this reading of their listing, where it is not the first one"""
    changed: int = 0
    """how many came in another version than before in this run"""

    def confirm(self, found: UnchangedItem, declared: int) -> None:
        """Count an item of which nothing has to be done; it declares so many assets."""
        self.items += 1
        self.confirmed += len(found.sizes)
        self.bytes += sum(found.sizes)
        self.proofs.update(found.proofs)
        self.filtered += declared - len(found.sizes)
