"""A STAC API as a source: listed by search where needed and offered, else collection by collection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from collections.abc import Collection as Some
from dataclasses import replace
from functools import partial
from itertools import islice
from urllib.parse import urlsplit

from ... import stac
from ...core import urls
from ...core.concurrency import prefetch_one
from ...core.errors import CatalogDefect, MlhubError, SourceError
from ...core.model import (
    NO_COLLECTION,
    Asset,
    Collection,
    CollectionListed,
    Entry,
    Flaw,
    Item,
    JsonObject,
    Page,
    Request,
)
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...stac.datetimes import Interval
from ..item_limit import Entries, ItemQuota
from ..refresh import HrefRefresher
from ..static.source import StaticSource
from .by_id import ItemsById
from .collections import CollectionIndex
from .endpoints import Endpoints, needs_search
from .names import CollectionNames
from .slices import temporal_extent, union_span
from .split import Accept, ListingQuery, ListingReader, accept_all

MAX_REFUSED = 10
"""Collections that are tried while all of them are refused."""
Links = list[JsonObject]
SEARCH = "search "
"""The first word of the name of a search; a number follows, since many ids take several searches."""


class ApiSource:
    """A STAC API. `landing` is its landing page as read from `root`; {} where only the paths are known.

    The server is asked for what it can select, and all of it is selected here again: servers drop parts
    of a search from their next links. With a `quota` this is a part of another listing, which counts the
    items and reports ids that are missing.
    """

    def __init__(
        self,
        reader: Reader,
        root: str,
        landing: JsonObject,
        selection: Selection,
        allow_origins: Some[str] = frozenset(),
        quota: ItemQuota | None = None,
    ) -> None:
        self.name = urls.redacted(root)
        self._reader = reader
        self._selection = selection
        self._allow = allow_origins
        self._endpoints = Endpoints(root, landing, allow_origins)
        self._shared_quota = quota
        self._quota = quota or ItemQuota(selection)
        self._introduced: set[str] = set()
        self._has_landing_page = bool(landing)
        self._are_described = False
        self._searching = bool(self._endpoints.search) and needs_search(selection)
        self._admits = stac.item_filter(replace(selection, collections=()), served=self._endpoints.served)
        self.collections = CollectionIndex(reader, self._endpoints, allow_origins)
        self._names = CollectionNames(reader, self._endpoints)
        self._by_id = ItemsById(reader, self._endpoints, self._names, self._admits)
        self._refresher = HrefRefresher(reader, self._names.document_url)
        self._listings = ListingReader(reader, selection)

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """When listings are read again, only collections of new items are emitted."""
        if only:
            for name in only:
                await prefetch_one(self._pages_of(name), emit)
            return
        self._quota = self._shared_quota or ItemQuota(self._selection)
        self._introduced = set()
        if stac.has_globs(self._selection.collections):
            names = await self.collections.matching(self._selection.collections)
            self._selection = replace(self._selection, collections=tuple(names))
            self._listings = ListingReader(self._reader, self._selection)
        await self._listings.begin(emit)
        if self._searching:
            await self._by_search(emit)
        elif self._selection.ids and self._selection.collections:
            named = await self._named()
            await emit([Page(), *named])
            await self._by_id.list(named, self._selection.ids, self._quota, emit)
        else:
            await self._by_collection(emit)
        if self._shared_quota is None and (missing := self._quota.missing(self.name)):
            await emit(missing)

    async def having(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the names that are collections of this API, each with the collection's own id."""
        return await self.collections.having(names)

    async def refresh(self, asset: Asset) -> Asset | None:
        """The asset as its item has it now. Concurrent calls for assets of one item read it once."""
        return await self._refresher.refreshed(asset)

    def _pages_of(self, name: str) -> AsyncIterator[Entries]:
        """The pages of a listing that was read before."""
        if (pages := self._listings.slice_again(name)) is not None:
            return pages
        if not self._searching:
            return self._items_of(name)
        number = int(name.removeprefix(SEARCH))
        return next(islice(self._searches((None, None)), number - 1, None)).pages()

    async def _named(self) -> Some[Collection]:
        """The collections that were asked for, each once, under whatever names.

        All are read first: a misspelt one is reported at once.
        """
        found: dict[str, Collection] = {}
        for name in dict.fromkeys(self._selection.collections):
            one = await self.collections.one(name)
            self._names.add(name, one)
            found.setdefault(one.id, one)
        self._are_described = self._has_landing_page and all(one.body for one in found.values())
        return found.values()

    async def _by_collection(self, emit: Emit) -> None:
        """Collection by collection, in any order. One that is refused is a flaw, unless all of them are; one
        with a page that is wrong for good always is: the others do not depend on it."""
        refused: list[tuple[str, SourceError]] = []
        is_listed = False
        async for found in self._collections():
            if self._quota.used_up:
                break
            await emit([found])
            if isinstance(found, Flaw):
                continue
            try:
                await self._list_collection(found, emit)
                is_listed = True
            except CatalogDefect as error:
                is_listed = True
                await emit([Flaw(f"collection {urls.term_safe(found.id)}", error, listing=found.id)])
            except SourceError as error:
                refused.append((found.id, error))
                if not is_listed and len(refused) >= MAX_REFUSED:
                    break
        if refused and not is_listed:
            raise refused[0][1]
        if refused:
            await emit([Flaw(f"collection {urls.term_safe(name)}", error) for name, error in refused])

    async def _list_collection(self, collection: Collection, emit: Emit) -> None:
        """The items of a collection; by its links where these lead elsewhere than to an items endpoint that
        does not exist."""
        try:
            await self._listings.read(self._listing_of(collection), emit)
        except SourceError as error:
            if error.kind != "not-found" or not (links := self._other_links(collection)):
                raise
            await self._by_links(collection, links, emit)
        await emit([CollectionListed(collection.id)])

    def _other_links(self, collection: Collection) -> Links:
        """The links of a collection to items, but not to its items endpoint."""
        tried = urlsplit(self._endpoints.items(collection.id, Selection()).url).path
        return [
            link
            for rel in ("child", "item", "items")
            for link in stac.links_of(collection.body, rel)
            if urlsplit(stac.resolve(link["href"], collection.href)).path != tried
        ]

    async def _by_links(self, collection: Collection, links: Links, emit: Emit) -> None:
        async def emit_others(entries: Sequence[Entry]) -> None:
            """All but the collection itself, which was emitted."""
            await emit([one for one in entries if not (isinstance(one, Collection) and one.id == name)])

        name = collection.id
        body = {**collection.body, "type": "Collection", "links": links}
        chosen = replace(self._selection, collections=(name,) if self._selection.collections else ())
        crawl = StaticSource(self._reader, body, collection.href, chosen, self._allow, quota=self._quota)
        await crawl.list(emit_others)

    async def _collections(self) -> AsyncIterator[Collection | Flaw]:
        if not self._selection.collections:
            async for one in self.collections.all():
                yield one
        for one in await self._named():
            yield one

    def _listing_of(self, collection: Collection) -> ListingQuery:
        name = collection.id

        def slice_pages(request: Request, slice_name: str, accept: Accept) -> AsyncIterator[Entries]:
            return self._walk(request, slice_name, name, name, accept)

        return ListingQuery(
            name,
            temporal_extent(collection.body),
            partial(self._endpoints.items, name),
            partial(self._items_of, name, may_search=not self._other_links(collection)),
            slice_pages,
        )

    async def _items_of(self, collection: str, *, may_search: bool = True) -> AsyncIterator[Entries]:
        """By the collection's items endpoint; by a search where an API has that and nothing else.

        A collection that has another name too is asked for by that where there is nothing under its own id.
        """
        names = self._names.of(collection)
        empty: list[Entries] | None = None
        absent: SourceError | None = None
        for name in names:
            pages: list[Entries] = []
            has_records = len(names) == 1
            try:
                async for entries in self._walk(
                    self._endpoints.items(name, self._selection), collection, collection
                ):
                    has_records |= any(isinstance(one, Page) and one.returned > 0 for one in entries)
                    self._note_served(entries, name)
                    if has_records:
                        yield entries
                    else:
                        pages.append(entries)
            except SourceError as error:
                if error.kind != "not-found":
                    raise
                absent = error
                continue
            if has_records:
                return
            empty = pages
        if empty is not None or absent is None:
            for entries in empty or ():
                yield entries
            return
        if not (may_search and self._endpoints.search):
            raise absent
        (request,) = self._endpoints.searches(replace(self._selection, collections=tuple(names)))
        async for entries in self._walk(request, collection):
            yield entries

    def _note_served(self, entries: Entries, name: str) -> None:
        for collection in {one.collection for one in entries if isinstance(one, Item)}:
            self._names.note_served(collection, name)

    async def _by_search(self, emit: Emit) -> None:
        """By search; a collection comes before the first of its items."""
        if named := await self._named():
            self._introduced = {one.id for one in named}
            await emit([*named])
        whole = not self._selection.ids
        for query in self._searches(union_span([temporal_extent(one.body) for one in named])):
            try:
                await self._listings.read(query, emit)
            except CatalogDefect as error:
                whole = False
                await emit([Flaw(query.name, error, listing=query.name)])
        if whole:
            await emit([CollectionListed(name) for name in self._introduced])

    def _searches(self, span: Interval) -> Iterator[ListingQuery]:
        def search(selection: Selection) -> Request:
            return next(self._endpoints.searches(self._by_all_names(selection)))

        def slice_pages(request: Request, name: str, accept: Accept) -> AsyncIterator[Entries]:
            return self._with_collections(self._walk(request, name, "", f"{SEARCH}1", accept))

        def pages(request: Request, name: str) -> AsyncIterator[Entries]:
            return self._with_collections(self._walk(request, name))

        asked = self._by_all_names(self._selection)
        for number, request in enumerate(self._endpoints.searches(asked), 1):
            name = f"{SEARCH}{number}"
            yield ListingQuery(name, span, search, partial(pages, request, name), slice_pages)

    def _by_all_names(self, selection: Selection) -> Selection:
        return replace(selection, collections=self._names.all(selection.collections))

    async def _with_collections(self, pages: AsyncIterator[Entries]) -> AsyncIterator[Entries]:
        """Pages of a search, each after the collections whose first items are on it."""
        async for entries in pages:
            for name in dict.fromkeys(one.collection for one in entries if isinstance(one, Item)):
                if name not in self._introduced:
                    self._introduced.add(name)
                    yield await self._collection_of_item(name)
            yield entries

    async def _collection_of_item(self, name: str) -> Entries:
        """Items may be of a collection that the API does not describe: that is a benign flaw."""
        try:
            found = await self.collections.one(name)
        except MlhubError as error:
            return [Flaw(f"collection {urls.term_safe(name)}", error, benign=error.kind == "not-found")]
        if found.id != name and found.id in self._introduced:
            return []
        self._introduced.add(found.id)
        return [found]

    async def _walk(
        self,
        request: Request,
        name: str,
        collection: str = "",
        slice_of: str = "",
        accept: Accept = accept_all,
    ) -> AsyncIterator[Entries]:
        """The pages of the listing `name`, from `request` on; `collection` is "" for a search."""
        chosen = frozenset(() if collection else self._names.all(self._selection.collections))
        only = collection or self._names.single(self._selection.collections)
        pages = stac.pages(
            self._reader,
            request,
            allow_origins=self._allow,
            may_be_absent=not collection and self._are_described,
        )
        async for page in pages:
            if not accept(page.records):
                return
            entries: Entries = [
                Page(page.matched, name, len(page.records), only, slice_of, True, is_last=page.is_last)
            ]
            for one in stac.items_of(page.records, page.url, only or NO_COLLECTION):
                if isinstance(one, Flaw) or (self._admits(one) and await self._names.admits(one, chosen)):
                    entries.append(one)
            yield self._quota.admit(entries)
            if self._quota.used_up:
                return
