"""Compares what a catalogue lists with a mirror, as the next run would: asset by asset, without any change.

A copy of the ledger takes the claims of the run, so that paths and decisions are those of the run itself.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ... import stac
from ...core.errors import TransferError
from ...core.model import NO_COLLECTION, Asset, Collection, Item, Record
from ...core.options import Options
from ...core.urls import canonical, parse
from ...stac.write.hrefs import DocumentLocation
from ...stac.write.item import item_json, stored_assets
from ...stac.write.projection import Projection, projections_of
from ...stac.write.versions import readable_body
from ...storage.ledger.claims.assignment import Claim, ClaimRequest, ClaimResult
from ...storage.ledger.database import Statements
from ...storage.ledger.lookups.item_links import related_paths
from ...storage.ledger.recovery import DocumentRecords
from ...transfer.existing import ExistingFiles
from ..inventory import grid_reader
from ..placement.paths import claim_request, collection_request, job_of, refusal

if TYPE_CHECKING:
    from ...core.ports import Store

Owners = Sequence[Item | Collection]


class Change(enum.StrEnum):
    """What a mirror would do with one file."""

    KEEP = "keep"
    """it is there and stays"""
    FETCH = "fetch"
    LINK = "link"
    """it gets the bytes of another file, which has the same URL"""
    REPLACE = "replace"
    """another file is at its path, or the catalogue describes it otherwise than when it was fetched"""
    REFUSE = "refuse"
    """`--if-exists error`: it stays, and the asset fails"""


class AssetChange(NamedTuple):
    """What becomes of an asset at `path`, and why, in words; "" where that needs none."""

    asset: Asset
    path: str
    change: Change
    why: str = ""


@dataclass(frozen=True, slots=True)
class OwnerChanges:
    """What becomes of an item, or with an id of "" of a collection's own assets.

    `rewritten`: all its files stay, but its document would be another one.
    """

    collection: str
    item: str
    path: str
    assets: list[AssetChange]
    rewritten: bool = False

    @property
    def differs(self) -> bool:
        return self.rewritten or any(one.change is not Change.KEEP for one in self.assets)


class Comparison:
    """One comparison. `book` is a copy of the ledger, `location` that of documents, without their paths."""

    def __init__(
        self,
        book: Statements,
        store: Store,
        documents: DocumentRecords,
        options: Options,
        location: DocumentLocation,
    ) -> None:
        self._book = book
        self._store = store
        self._documents = documents
        self._template = options.template
        self._wants_of = stac.asset_filters(options.selection)
        self._existing = ExistingFiles.of(store, options.if_exists, options.verify)
        self._grid_of = grid_reader(store, options)
        self._location = location
        self._collection_paths: dict[str, str] = {}
        self._fetched: set[int] = set()
        """of the URLs that would be fetched"""

    async def changes(self, owners: Owners) -> list[OwnerChanges]:
        """What becomes of the items and collections of a batch, none of which was in an earlier one."""
        self._claim_collections(owners)
        requests = [self._request(owner) for owner in owners]
        found: list[OwnerChanges] = []
        results = self._book.claim(requests) if requests else []
        for owner, request, result in zip(owners, requests, results, strict=True):
            if result is not None:
                found.append(await self._of_owner(owner, request, result))
        return found

    def _request(self, owner: Item | Collection) -> ClaimRequest:
        assets = stac.assets_of(owner) if isinstance(owner, Item) else stac.collection_assets(owner)
        document = self._collection_paths[owner.collection if isinstance(owner, Item) else owner.id]
        return claim_request(owner, assets, self._wants_of(owner), self._template, document)

    def _claim_collections(self, owners: Owners) -> None:
        named = (owner.collection if isinstance(owner, Item) else owner.id for owner in owners)
        new = [name for name in dict.fromkeys(named) if name not in self._collection_paths]
        results = self._book.claim([collection_request(name) for name in new]) if new else []
        for name, result in zip(new, results, strict=True):
            if result is not None:
                self._collection_paths[name] = result.path

    async def _of_owner(
        self, owner: Item | Collection, request: ClaimRequest, result: ClaimResult
    ) -> OwnerChanges:
        claims = await self._documents.claims_with_records(result, readable_body(owner))
        assets = [await self._of_asset(claim, owner) for claim in claims]
        found = OwnerChanges(request.collection, request.item, result.path, assets)
        if isinstance(owner, Item) and not found.differs:
            return OwnerChanges(*await self._written_otherwise(owner, result, claims, found))
        return found

    async def _written_otherwise(
        self, item: Item, result: ClaimResult, claims: Sequence[Claim], found: OwnerChanges
    ) -> tuple[str, str, str, list[AssetChange], bool]:
        """The changes of an item whose files all stay, with whether its document would be another one."""
        parent = None if item.collection in ("", NO_COLLECTION) else self._collection_paths[item.collection]
        location = DocumentLocation(result.path, parent, self._location.base, self._location.source_root)
        records = {claim.asset.key: claim.known for claim in claims if claim.known is not None}
        records = {**await self._documents.unselected(result), **records}
        grids = await projections_of(records, self._grid_of) if self._grid_of is not None else {}
        rewritten = self._digest(item, records, location, grids) != getattr(result.document, "sha256", "")
        return found.collection, found.item, found.path, found.assets, rewritten

    def _digest(
        self,
        item: Item,
        records: dict[str, Record],
        location: DocumentLocation,
        grids: Mapping[str, Projection],
    ) -> str:
        related = related_paths(self._book.database, (item.collection, item.id))
        try:
            stored = stored_assets(item.body, records)
            return hashlib.sha256(item_json(item, stored, location, grids, related)).hexdigest()
        except TransferError:
            return ""

    async def _of_asset(self, claim: Claim, owner: Item | Collection) -> AssetChange:
        """As `transfer.fetch` decides it, up to its first request."""
        asset, existing = claim.asset, self._existing
        job, done = job_of(claim, existing.policy)
        if (refused := refusal(claim, owner)) is not None:
            return AssetChange(asset, job.path, Change.REFUSE, refused.message)
        if done:
            return AssetChange(asset, job.path, Change.KEEP)
        try:
            job = await existing.review(job)
            if await existing.kept(job) is not None:
                return AssetChange(asset, job.path, Change.KEEP)
        except TransferError as error:
            return AssetChange(asset, job.path, Change.REFUSE, error.message)
        if job.previous is not None and not job.recheck:
            asks = "the server is asked whether it is another version"
            if claim.current:
                return AssetChange(asset, job.path, Change.KEEP, asks)
            return AssetChange(asset, job.path, Change.REPLACE, f"described otherwise: {asks}")
        if await self._store.stat(job.path) is not None:
            return AssetChange(asset, job.path, Change.REPLACE, _why(claim))
        is_new = self._is_first(asset.href)
        if job.previous is None and (not is_new or await self._is_known(claim)):
            return AssetChange(asset, job.path, Change.LINK, "its URL is that of another file")
        return AssetChange(asset, job.path, Change.FETCH)

    async def _is_known(self, claim: Claim) -> bool:
        """Whether an earlier run has fetched the URL of a new asset, to a file that is what this one is."""
        if not (claim.known_url and self._existing.policy.links_known_urls):
            return False
        record = self._book.find(canonical(parse(claim.asset.href)))
        return record is not None and await self._existing.fits(claim.asset, record)

    def _is_first(self, href: str) -> bool:
        """Whether no asset before this one would be fetched from the URL."""
        count = len(self._fetched)
        with suppress(TransferError):
            self._fetched.add(hash(canonical(parse(href))))
            return len(self._fetched) > count
        return True  # it is unusable


def _why(claim: Claim) -> str:
    if claim.known is not None:
        return "the file is not what the catalogue publishes"
    return "the file is not as a run left it"
