"""Hides how a STAC API is listed: by a search where one is needed and offered, else by collection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from collections.abc import Collection as Some
from dataclasses import replace
from functools import partial

from ... import stac
from ...core import urls
from ...core.concurrency import fan_out, prefetch_one
from ...core.errors import MlhubError, SourceError, TransferError, Transient
from ...core.model import (
    Asset,
    Collection,
    CollectionListed,
    Flaw,
    Item,
    JsonObject,
    ListingSplit,
    Page,
    Request,
)
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...stac.datetimes import Interval
from ..item_limit import Entries, ItemQuota
from ..refresh import HrefRefresher
from .collections import CollectionIndex
from .endpoints import Endpoints, needs_search
from .split import ListingQuery, SplitListing, Take, every, span_of, together

READERS = 8


class ApiSource:
    """A STAC API. `landing` is its landing page as read from `root`; {} where only the paths are known.

    What the server can select it is asked to select; all of it is selected here again, since servers
    drop parts of a search from their next links.
    """

    def __init__(
        self,
        reader: Reader,
        root: str,
        landing: JsonObject,
        selection: Selection,
        allow_origins: Some[str] = frozenset(),
    ) -> None:
        self.name = urls.redacted(root)
        self._reader = reader
        self._selection = selection
        self._allow = allow_origins
        self._places = Endpoints(root, landing, allow_origins)
        self._tally = ItemQuota(selection)
        self._told: set[str] = set()
        self._searching = bool(self._places.search) and needs_search(selection)
        self._admits = stac.admits(replace(selection, collections=()), served=self._places.served)
        self.directory = CollectionIndex(reader, self._places, allow_origins)
        self._renewal = HrefRefresher(reader, self._places.address)
        self._division = SplitListing(reader, selection)

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """Read again, collections are not told again, but for those of items that are new."""
        if only:
            await self._read_again(only, emit)
            return
        self._tally = ItemQuota(self._selection)
        self._told = set()
        if self._selection.split > 1 and self._selection.ids:
            await emit([ListingSplit("", refused="--ids names its items one by one")])
        if self._selection.split > 1 and not self._selection.ids:
            await (self._search_divided if self._searching else self._collections_divided)(emit)
        elif self._searching:
            await prefetch_one(self._searched(), emit)
        elif self._selection.ids and self._selection.collections:
            await self._by_id(emit)
        else:
            await prefetch_one(self._listed(), emit)
        if missing := self._tally.missing(self.name):
            await emit(missing)

    async def _read_again(self, listings: Sequence[str], emit: Emit) -> None:
        parts = [name for name in listings if name in self._division.pieces]
        others = [name for name in listings if name not in self._division.pieces]
        pages = self._searched(others) if self._searching else self._listed_again(others)
        for name in parts:
            await prefetch_one(self._division.again(name), emit)
        await prefetch_one(pages, emit)

    async def _listed_again(self, listings: Sequence[str]) -> AsyncIterator[Entries]:
        for name in listings:
            async for entries in self._items_of(name):
                yield entries

    async def _items_of(self, name: str) -> AsyncIterator[Entries]:
        """As its collection lists them. An API may have a search and nothing else: then by that."""
        try:
            async for entries in self._walk(self._places.items(name, self._selection), name):
                yield entries
            return
        except SourceError as error:
            if error.kind != "not-found" or not self._places.search:
                raise
        (request,) = self._places.searches(replace(self._selection, collections=(name,)))
        async for entries in self._walk(request, "", name):
            yield entries

    async def refresh(self, asset: Asset) -> Asset | None:
        """The asset as its item has it now. Many assets of one item at once read it once."""
        return await self._renewal.renewed(asset)

    async def _named(self) -> Some[Collection]:
        """The collections that were asked for. All are looked up first: a misspelt one is told at once."""
        return [await self.directory.one(name) for name in dict.fromkeys(self._selection.collections)]

    async def _listed(self) -> AsyncIterator[Entries]:
        """Collection by collection. One that is refused while others were not is a flaw."""
        first = True
        async for found in self._collections():
            if self._tally.used_up:
                return
            yield [found]
            if isinstance(found, Flaw):
                continue
            try:
                async for entries in self._items_of(found.id):
                    yield entries
                yield [CollectionListed(found.id)]
            except SourceError as error:
                if first:
                    raise
                yield [Flaw(f"collection {urls.term_safe(found.id)}", error)]
            first = False

    async def _collections(self) -> AsyncIterator[Collection | Flaw]:
        if not self._selection.collections:
            async for one in self.directory.all():
                yield one
        for one in await self._named():
            yield one

    async def _searched(self, only: Some[str] | None = None) -> AsyncIterator[Entries]:
        """By search; a collection comes before the first of its items."""
        if only is None and (named := await self._named()):
            self._told = {one.id for one in named}
            yield [*named]
        for number, request in enumerate(self._places.searches(self._selection), 1):
            if only is not None and f"search {number}" not in only:
                continue
            async for entries in self._introduced(self._walk(request, "", f"search {number}")):
                yield entries
        if only is None and not self._selection.ids:
            yield [CollectionListed(name) for name in self._told]

    async def _introduced(self, pages: AsyncIterator[Entries]) -> AsyncIterator[Entries]:
        async for entries in pages:
            for name in dict.fromkeys(one.collection for one in entries if isinstance(one, Item)):
                if name not in self._told:
                    self._told.add(name)
                    yield await self._met(name)
            yield entries

    async def _collections_divided(self, emit: Emit) -> None:
        """As `_listed`, each collection in parts."""
        first = True
        async for found in self._collections():
            await emit([found])
            if isinstance(found, Flaw):
                continue
            try:
                await self._division.read(self._course_of(found), emit)
                await emit([CollectionListed(found.id)])
            except SourceError as error:
                if first:
                    raise
                await emit([Flaw(f"collection {urls.term_safe(found.id)}", error)])
            first = False

    async def _search_divided(self, emit: Emit) -> None:
        """As `_searched`, in parts."""
        named = await self._named()
        self._told = {one.id for one in named}
        await emit([*named])
        span = together([span_of(one.body) for one in named])
        await self._division.read(self._search_course(span), emit)
        await emit([CollectionListed(name) for name in self._told])

    def _course_of(self, collection: Collection) -> ListingQuery:
        name = collection.id

        def walk(request: Request, part: str, take: Take) -> AsyncIterator[Entries]:
            return self._walk(request, name, "", part, take)

        ask = partial(self._places.items, name)
        return ListingQuery(name, span_of(collection.body), ask, walk)

    def _search_course(self, span: Interval) -> ListingQuery:
        def walk(request: Request, part: str, take: Take) -> AsyncIterator[Entries]:
            return self._introduced(self._walk(request, "", "search 1", part, take))

        return ListingQuery("search 1", span, lambda selection: next(self._places.searches(selection)), walk)

    async def _met(self, name: str) -> Entries:
        """The collection of an item that was found. Items may live in one that the API does not describe."""
        try:
            return [await self.directory.one(name)]
        except MlhubError as error:
            return [Flaw(f"collection {urls.term_safe(name)}", error, benign=not error.retryable)]

    async def _walk(
        self, request: Request, collection: str, name: str = "", part: str = "", take: Take = every
    ) -> AsyncIterator[Entries]:
        """The pages of a listing, or of a part; `collection` is "" for a search: that has a name instead."""
        listing = collection or name
        names = frozenset() if collection else frozenset(self._selection.collections)
        only = next(iter(names)) if len(names) == 1 else collection
        async for page in stac.pages(self._reader, request, allow_origins=self._allow):
            if not take(page.records):
                return
            whole = listing if part else ""
            entries: Entries = [Page(page.matched, part or listing, len(page.records), only, whole, True)]
            for one in stac.items_of(page.records, page.url, collection or stac.NO_COLLECTION):
                if isinstance(one, Flaw) or ((not names or one.collection in names) and self._admits(one)):
                    entries.append(one)
            yield self._tally.cut(entries)
            if self._tally.used_up:
                return

    async def _by_id(self, emit: Emit) -> None:
        """An API without search: every item by its own address, in whichever collection has it."""
        named = await self._named()
        await emit([Page(), *named])

        async def produce(put: Callable[[tuple[str, str]], Awaitable[None]]) -> None:
            for collection in named:
                for name in dict.fromkeys(self._selection.ids):
                    await put((collection.id, name))

        async def work(place: tuple[str, str]) -> None:
            if not self._tally.used_up:
                await emit(self._tally.cut(await self._item(*place)))

        await fan_out(produce, work, READERS)

    async def _item(self, collection: str, name: str) -> Entries:
        url = self._places.item(collection, name)
        try:
            document = await self._reader.read(Request(url))
        except Transient as error:
            return [Flaw(urls.redacted(url), error)]
        except TransferError as error:
            return [] if error.status in (404, 410) else [Flaw(urls.redacted(url), error)]
        found = stac.item_of(document.body, document.url, collection)
        return [found] if isinstance(found, Flaw) or self._admits(found) else []
