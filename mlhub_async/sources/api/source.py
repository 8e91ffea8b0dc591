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
    Asset,
    Collection,
    CollectionListed,
    Entry,
    Flaw,
    Item,
    JsonObject,
    Page,
)
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...stac.datetimes import Interval
from ..items.item_limit import Entries, ItemQuota
from ..refresh import HrefRefresher
from ..static.source import StaticSource
from .by_id import ItemsById
from .collections import CollectionIndex
from .endpoints import Endpoints, needs_search
from .item_pages import ItemPages, MethodChanged
from .names import CollectionNames
from .slices import temporal_extent, union_span
from .split import Accept, ListingQuery, ListingReader, is_split

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

    reports_split = True

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
        self._introduced: set[str] = set()
        self._has_landing_page = bool(landing)
        self._searching = bool(self._endpoints.search) and needs_search(selection)
        self.collections = CollectionIndex(reader, self._endpoints, allow_origins)
        self._names = CollectionNames(reader, self._endpoints)
        self._pages = ItemPages(
            reader, self._endpoints, self._names, selection, allow_origins, by_search=self._searching
        )
        self._refresher = HrefRefresher(reader, self._names.document_url)
        self._listings = ListingReader(reader, selection, self._pages.remarks)
        self._parts: dict[str, tuple[str, Selection]] = {}
        """of the listings of collections: the collection, and the selection with one box of several"""

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """When listings are read again, only collections of new items are emitted."""
        if only:
            for name in only:
                await prefetch_one(self._pages_of(name), emit)
            return
        self._introduced = set()
        if stac.has_globs(self._selection.collections):
            names = await self.collections.matching(self._selection.collections)
            self._selection = replace(self._selection, collections=tuple(names))
            self._listings = ListingReader(self._reader, self._selection, self._pages.remarks)
        self._pages.begin(self._selection, self._shared_quota or ItemQuota(self._selection))
        await self._listings.begin(emit)
        try:
            await self._list_all(emit)
        except MlhubError:
            await self._listings.end(emit)
            raise
        await self._listings.end(emit)
        if self._shared_quota is None and (missing := self._pages.quota.missing(self.name)):
            await emit(missing)

    async def _list_all(self, emit: Emit) -> None:
        if self._searching:
            await self._by_search(emit)
        elif self._pages.by_id:
            await self._by_ids(emit)
        else:
            await self._by_collection(emit)

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
            collection, part = self._parts[name]
            return self._items_of(name, collection, part)
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
        self._pages.are_described = self._has_landing_page and all(one.body for one in found.values())
        return found.values()

    async def _by_ids(self, emit: Emit) -> None:
        named = await self._named()
        await emit([Page(), *named])
        admits = stac.item_filter(replace(self._selection, collections=()))
        by_id = ItemsById(self._reader, self._endpoints, self._names, admits)
        await by_id.list(named, self._selection.ids, self._pages.quota, emit)

    async def _by_collection(self, emit: Emit) -> None:
        """Collection by collection, in any order. One that is refused is a flaw, unless all of them are; one
        with a page that is wrong for good always is: the others do not depend on it."""
        refused: list[tuple[str, SourceError]] = []
        is_listed = False
        async for found in self._collections():
            if self._pages.quota.used_up:
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
            for query in self._listings_of(collection):
                await self._listings.read(query, emit)
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
        further = stac.links_of(collection.body, "next")
        body = {**collection.body, "type": "Collection", "links": [*links, *further]}
        chosen = replace(self._selection, collections=(name,) if self._selection.collections else ())
        quota = self._pages.quota
        crawl = StaticSource(self._reader, body, collection.href, chosen, self._allow, quota=quota)
        await crawl.list(emit_others)

    async def _collections(self) -> AsyncIterator[Collection | Flaw]:
        if not self._selection.collections:
            async for one in self.collections.all():
                yield one
        for one in await self._named():
            yield one

    def _listings_of(self, collection: Collection) -> Iterator[ListingQuery]:
        """The listing of a collection, or one for each of the boxes that are searched in."""
        span = temporal_extent(collection.body)
        parts = self._endpoints.abilities.bbox_parts(self._selection, by_search=False)
        for number, part in enumerate(parts, 1):
            yield self._listing_of(collection, f"{collection.id} {number}".removesuffix(" 1"), part, span)

    def _listing_of(self, collection: Collection, name: str, part: Selection, span: Interval) -> ListingQuery:
        owner = collection.id
        self._parts[name] = owner, part

        def slice_pages(chosen: Selection, slice_name: str, accept: Accept) -> AsyncIterator[Entries]:
            make = partial(self._endpoints.items, owner, chosen)
            return self._pages.read(make, slice_name, owner, name, accept)

        return ListingQuery(
            name,
            span,
            part,
            partial(self._endpoints.items, owner),
            partial(self._items_of, name, owner, part, may_search=not self._other_links(collection)),
            slice_pages,
        )

    async def _items_of(
        self, listing: str, collection: str, part: Selection, *, may_search: bool = True
    ) -> AsyncIterator[Entries]:
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
                make = partial(self._endpoints.items, name, part)
                async for entries in self._pages.read(make, listing, collection):
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
        make = partial(self._endpoints.search_request, replace(part, collections=tuple(names)))
        async for entries in self._pages.read(make, listing):
            yield entries

    def _note_served(self, entries: Entries, name: str) -> None:
        for collection in {one.collection for one in entries if isinstance(one, Item)}:
            self._names.note_served(collection, name)

    async def _by_search(self, emit: Emit) -> None:
        """By search; a collection comes before the first of its items."""
        if named := await self._named():
            self._introduced = {one.id for one in named}
            await emit([*named])
        await self._ask_first()
        while True:
            try:
                await self._read_searches(named, emit)
            except MethodChanged:
                continue
            return

    async def _ask_first(self) -> None:
        """Before a listing is cut: what the server refuses is not to be counted."""
        if is_split(self._selection):
            first = next(self._endpoints.searches(self._by_all_names(self._selection)))
            await self._pages.probe(partial(self._endpoints.search_request, first))

    async def _read_searches(self, named: Some[Collection], emit: Emit) -> None:
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
        asked = self._by_all_names(self._selection)
        for number, part in enumerate(self._endpoints.searches(asked), 1):
            yield self._search(f"{SEARCH}{number}", part, span)

    def _search(self, name: str, part: Selection, span: Interval) -> ListingQuery:
        request = self._endpoints.search_request

        def slice_pages(chosen: Selection, slice_name: str, accept: Accept) -> AsyncIterator[Entries]:
            pages = self._pages.read(partial(request, chosen), slice_name, "", name, accept)
            return self._with_collections(pages)

        def pages() -> AsyncIterator[Entries]:
            return self._with_collections(self._pages.read(partial(request, part), name))

        return ListingQuery(name, span, part, request, pages, slice_pages)

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
