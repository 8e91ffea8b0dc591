"""The pages of one listing of an API: asked for as the server takes it, and selected here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Collection as Some
from dataclasses import replace

from ... import stac
from ...core.errors import CatalogError, MlhubError, SourceError
from ...core.model import NO_COLLECTION, Flaw, Item, ListingRemarks, Page, Request
from ...core.options import Selection
from ...core.ports import Reader
from ..items.item_limit import Entries, ItemQuota
from .abilities import OPTIONAL, reductions, refusal_line
from .endpoints import Endpoints
from .names import CollectionNames
from .split import Accept, accept_all

MakeRequest = Callable[[], Request]
"""Makes the request for the first page of a listing, without what the server has refused so far."""


class MethodChanged(Exception):
    """The searches have to be divided anew: the server takes them by another method. Nothing was listed."""


class ItemPages:
    """Reads listings of items. What a server refuses of a selection is left out, and decided here instead.

    `by_search`: the selection is put to the server's search, else to the items endpoints of collections.
    """

    def __init__(
        self,
        reader: Reader,
        endpoints: Endpoints,
        names: CollectionNames,
        selection: Selection,
        allow_origins: Some[str],
        *,
        by_search: bool,
    ) -> None:
        self._reader = reader
        self._endpoints = endpoints
        self._names = names
        self._selection = selection
        self._allow = allow_origins
        self.by_search = by_search
        self.by_id = bool(not by_search and selection.ids and selection.collections)
        """the items are read one by one, and all else is decided here"""
        self.quota = ItemQuota(selection)
        self.are_described = False
        """every collection that is wanted has a document: then a search that says 404 has found nothing"""
        self._lines: list[str] = []
        self._negotiating = asyncio.Lock()
        self._listing_of: dict[int, str] | None = None
        self._choose_filter()
        self.begin(selection, self.quota)

    def begin(self, selection: Selection, quota: ItemQuota) -> None:
        """Start anew; the quota is for all listings together."""
        self._selection, self.quota = selection, quota
        parts = self._endpoints.abilities.bbox_parts(self._selection, by_search=self.by_search)
        self._listing_of = {} if len(list(parts)) > 1 else None

    def remarks(self, more: ListingRemarks) -> ListingRemarks:
        """Who decides the conditions of the selection, with what else there is to remark."""
        abilities = self._endpoints.abilities
        decided = abilities.decided(self._selection, by_search=self.by_search, by_id=self.by_id)
        return ListingRemarks(more.receipt, (*self._lines, *more.lines), {**decided})

    def _choose_filter(self) -> None:
        """Raises `UsageError` for a condition that neither the server decides nor this program can."""
        abilities = self._endpoints.abilities
        evaluated = abilities.evaluated(self._selection, by_search=self.by_search)
        if self.by_id:
            evaluated = frozenset()
        self._admits = stac.item_filter(replace(self._selection, collections=()), served=evaluated)

    async def read(
        self,
        make: MakeRequest,
        name: str,
        collection: str = "",
        slice_of: str = "",
        accept: Accept = accept_all,
    ) -> AsyncIterator[Entries]:
        """The pages of the listing `name`; `collection` is "" for a search."""
        only = collection or self._names.single(self._selection.collections)
        chosen = frozenset(() if collection else self._names.all(self._selection.collections))
        async for page in self._pages(make, may_be_absent=not collection and self.are_described):
            if not accept(page.records):
                return
            about = (page.matched, name, len(page.records), only, slice_of, True)
            is_cut = page.is_cut or page.is_lacking
            entries: Entries = [Page(*about, is_last=page.is_last, is_cut=is_cut)]
            for one in stac.items_of(page.records, page.url, only or NO_COLLECTION):
                if isinstance(one, Flaw) or await self._is_wanted(one, chosen, slice_of or name):
                    entries.append(one)
            yield self.quota.admit(entries)
            if self.quota.used_up:
                return

    async def _is_wanted(self, item: Item, chosen: frozenset[str], listing: str) -> bool:
        if not self._admits(item) or not await self._names.admits(item, chosen):
            return False
        return self._listing_of is None or self._is_of(listing, (item.collection, item.id))

    def _is_of(self, listing: str, identity: tuple[str, str]) -> bool:
        """Whether no other listing gave an item: the boxes beside the antimeridian may both have it."""
        known = self._listing_of if self._listing_of is not None else {}
        return known.setdefault(hash(identity), listing) == listing

    async def _pages(self, make: MakeRequest, *, may_be_absent: bool) -> AsyncIterator[stac.ListingPage]:
        """The pages; where the first one is refused, those of a request that is not."""
        while True:
            refused, is_begun = self._endpoints.abilities.refused, False
            try:
                pages = stac.pages(
                    self._reader, make(), allow_origins=self._allow, may_be_absent=may_be_absent
                )
                async for page in pages:
                    is_begun = True
                    yield page
                return
            except (SourceError, CatalogError) as error:
                if is_begun or not (choices := self._reductions(error)):
                    raise
                await self._negotiate(make, refused, error, choices)

    async def probe(self, make: MakeRequest) -> None:
        """Find out whether the server takes a request, and what to leave out if it does not."""
        async for _ in self._pages(make, may_be_absent=self.are_described):
            return

    async def _negotiate(
        self, make: MakeRequest, refused: frozenset[str], error: MlhubError, choices: Sequence[Some[str]]
    ) -> None:
        """Leave out of all requests the first of `choices` without which the server takes this one.

        Raises the server's last refusal if there is none.
        """
        async with self._negotiating:
            abilities = self._endpoints.abilities
            if abilities.refused != refused:
                return
            for left_out in choices:
                abilities.refused = refused | set(left_out)
                try:
                    await self._try(make())
                except (SourceError, CatalogError) as again:
                    if not self._reductions(again):
                        abilities.refused = refused
                        raise
                    error = again
                else:
                    self._note(left_out, error)
                    return
            abilities.refused = refused
            raise error

    def _reductions(self, error: MlhubError) -> Sequence[Some[str]]:
        """What may be left out after this error: nothing, but after refusals and failures of the server."""
        if getattr(error.__cause__, "failing", False):
            names = [name for name in OPTIONAL[:3] if getattr(self._selection, name) is not None]
            return [[name] for name in names] + [names[:count] for count in range(2, len(names) + 1)]
        if error.kind != stac.REFUSED:
            return []
        method = self._endpoints.search_method(self._selection)
        other = "GET" if method == "POST" else "POST"
        takes_other = self._endpoints.takes_other_method
        methods = [one for one in (method, other) if self.by_search and takes_other(one)]
        first = bool(getattr(error.__cause__, "unsupported", False))
        return list(reductions(self._selection, methods, method_first=first))

    async def _try(self, request: Request) -> None:
        async for _ in stac.pages(
            self._reader, request, allow_origins=self._allow, may_be_absent=self.are_described
        ):
            return

    def _note(self, left_out: Some[str], error: MlhubError) -> None:
        self._lines += refusal_line(left_out, getattr(error.__cause__, "status", None))
        self._choose_filter()
        if {"GET", "POST"} & set(left_out) and len(self._selection.ids) > 1:
            raise MethodChanged
