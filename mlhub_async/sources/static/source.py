"""`StaticSource`: documents that link to each other, crawled level by level; each is used as what it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from collections.abc import Collection as Some

from ... import stac
from ...core import urls
from ...core.concurrency import fan_out
from ...core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, TransferError
from ...core.model import (
    NO_COLLECTION,
    Asset,
    Collection,
    CollectionListed,
    Document,
    Entry,
    Flaw,
    Item,
    JsonObject,
    Page,
    Request,
)
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...core.ports.known_items import DocumentVersion, KnownItems
from ...stac import DocumentKind
from ..access import unknown_id
from ..items.item_limit import Entries, ItemQuota
from ..items.streams import RawReader
from .conditional import ConditionalReader
from .links import FollowedLink, LinkChoice, LinkGroup
from .nested import NestedApis, OpenApi, unlisted_api

CONCURRENT_READS = 16
MAX_DEPTH = 64
MAX_PAGES = 10_000
"""Of one catalogue; more are an error of the server."""
_NOT_JSON = frozenset({"not-json", "not-stac"})


class StaticSource:
    """A Catalog, a Collection or a list of them that was read from `url`, and all that it links to.

    Hrefs are relative to where a document was read from, whatever its `self` link says. APIs are listed by
    `open_api`; without it a link to an API is a flaw. With a `quota` this is a part of another listing, which
    counts the items and reports ids and collections that are missing.
    """

    def __init__(
        self,
        reader: Reader,
        root: JsonObject,
        url: str,
        selection: Selection,
        allow_origins: Some[str] = frozenset(),
        open_api: OpenApi | None = None,
        quota: ItemQuota | None = None,
    ) -> None:
        self.name = urls.redacted(url)
        self._reader = reader
        self._root = Document(root, url)
        self._selection = selection
        self._allow = allow_origins
        self._wanted = stac.CollectionChoice(selection.collections)
        self._admits = stac.item_filter(selection)
        self._open_api = open_api
        self._shared_quota = quota
        self._conditional: ConditionalReader | None = None
        self._begin()

    def use_conditions(self, reader: RawReader, items: KnownItems) -> bool:
        """From now on read documents of items by `reader`, and if they are known only if they have changed.

        False: the selection counts items, or names them, so all are read.
        """
        if self._selection.ids or self._selection.max_items is not None:
            return False
        self._conditional = ConditionalReader(reader, items)
        return True

    def _begin(self) -> None:
        self._quota = self._shared_quota or ItemQuota(self._selection)
        self._collections: set[str] = set()
        self._of_items: set[str] = set()
        self._doubtful: set[str] = set()
        """collections with a link to items that led to none, or to no list: perhaps a fault of the server"""
        self._apis = NestedApis(self._open_api, self._selection) if self._open_api else None
        self._links = LinkChoice(self._root.url, self._allow)
        self._has_flaws = False
        self._listings: dict[str, FollowedLink] = {}
        self._next_level: list[LinkGroup] = []

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """Documents announce no totals that would make another crawl worth while: repeatable are the pages of
        APIs, and lists of items that are shorter than announced."""
        if only:
            await self._list_again(only, emit)
            return
        self._begin()
        emit = self._noting_flaws(emit)
        if flaw := await self._visit(self._root, FollowedLink(self._root.url, "root", ""), emit):
            await emit([flaw])
        for _ in range(MAX_DEPTH):
            level, self._next_level = self._next_level, []
            await self._crawl(level, emit)
        if self._next_level and not self._quota.used_up:
            raise CatalogDefect(f"{self.name} is more than {MAX_DEPTH} levels deep", kind="too-deep")
        if self._shared_quota is not None:
            return
        if not self._quota.used_up:
            await emit([CollectionListed(name) for name in self._complete_collections()])
        if missing := [*self._missing_collections(), *self._quota.missing(self.name)]:
            await emit(missing)

    async def _list_again(self, names: Sequence[str], emit: Emit) -> None:
        for name in names:
            if (link := self._listings.get(name)) is None:
                if self._apis is not None:
                    await self._apis.list_again([name], emit)
            elif flaw := await self._features(None, link, emit):
                await emit([flaw])

    async def refresh(self, asset: Asset) -> Asset | None:
        """Of an asset from an API. Static hrefs do not expire, and do not tell which file their item is
        in."""
        return None if self._apis is None else await self._apis.refresh(asset)

    def _complete_collections(self) -> Iterable[str]:
        """Collections that were wanted and found; beside them the items of no collection."""
        found = {*self._collections, NO_COLLECTION} - self._doubtful
        return (name for name in sorted(found) if self._wanted.admits(name))

    async def _crawl(self, level: Sequence[LinkGroup], emit: Emit) -> None:
        async def produce(put: Callable[[LinkGroup], Awaitable[None]]) -> None:
            for group in level:
                if self._quota.used_up:
                    return
                await put(group)

        async def work(group: LinkGroup) -> None:
            await self._follow(group, emit)

        await fan_out(produce, work, CONCURRENT_READS)

    async def _follow(self, group: LinkGroup, emit: Emit) -> None:
        """Of the `items` links of a collection, one that is no JSON is no flaw if another one is."""
        flaws: list[Flaw] = []
        is_read = False
        for link in group:
            found = await self._read(link, emit)
            is_read |= found is None
            flaws += [found] if found is not None and not link.optional else []
        if is_read:
            flaws = [one for one in flaws if one.error.kind not in _NOT_JSON]
        if flaws:
            await emit(flaws)

    async def _read(self, link: FollowedLink, emit: Emit) -> Flaw | None:
        """Read the document at a link and emit what it is. A flaw is returned if it could not be used."""
        version = None
        try:
            if link.rel == "item" and self._conditional is not None:
                document, version = await self._read_if_changed(self._conditional, link)
                if document is None:
                    return None
            else:
                document = await self._reader.read(Request(link.url))
        except TransferError as error:
            if (error.no_content and link.rel == "items") or (
                error.oversized and stac.limit_of(Request(link.url)) is not None
            ):
                return await self._features(None, link, emit)  # asks for smaller pages
            return Flaw(urls.redacted(link.url), error)
        return await self._visit(document, link, emit, version)

    async def _read_if_changed(
        self, reader: ConditionalReader, link: FollowedLink
    ) -> tuple[Document | None, DocumentVersion]:
        """None for a document that is as before, whose item is counted as listed."""
        known = await reader.items.find(link.url)
        if known is not None:
            document, version = await reader.read(link.url, known.version)
            if document is not None:
                return document, version
            if await reader.items.take_over(known):
                self._of_items.update({known.collection} if known.item else ())
                return None, version
        return await reader.read(link.url, DocumentVersion())

    async def _visit(
        self, document: Document, link: FollowedLink, emit: Emit, version: DocumentVersion | None = None
    ) -> Flaw | None:
        body, url, collection = document.body, document.url, link.collection
        if self._quota.used_up:
            return None
        match stac.kind_of(body):
            case DocumentKind.CATALOG | DocumentKind.COLLECTION as kind:
                is_collection = kind is DocumentKind.COLLECTION
                if link.rel in ("item", "items") and not stac.has_links_to_items(body):
                    self._doubtful.add(collection or NO_COLLECTION)
                await emit(self._catalogue(body, url, collection, is_collection=is_collection))
                return await self._further_pages(document, collection, emit)
            case DocumentKind.ITEM:
                return await self._visit_item(document, link, emit, version)
            case DocumentKind.FEATURES:
                return await self._features(document, link, emit)
            case DocumentKind.COLLECTIONS if link.rel == "root" or stac.has_records(body):
                return await self._list_of_collections(document, emit)
            case DocumentKind.LANDING_PAGE:
                if self._apis is None:
                    return Flaw(urls.redacted(url), unlisted_api(document))
                await self._apis.list(document, self._quota, emit)
            case DocumentKind.NONE | DocumentKind.COLLECTIONS:
                where = urls.redacted(url)
                message = f"{where} is JSON, but no STAC: it is {stac.looks_like(body)}"
                return Flaw(where, TransferError(message, kind="not-stac"))
        return None

    async def _further_pages(self, document: Document, collection: str, emit: Emit) -> Flaw | None:
        """Those of a Catalog or Collection that names its children on several, as CMR-STAC does.

        A document of another id at its `next` link is another catalogue, which is not below this one.
        """
        kind, id_, read = stac.kind_of(document.body), document.body.get("id"), {document.url}
        while not self._quota.used_up:
            url = self._links.next_page(document.body, document.url)
            if url is None or isinstance(url, Flaw) or url in read:
                return url if isinstance(url, Flaw) else None
            read.add(url)
            if len(read) > MAX_PAGES:
                message = f"{urls.redacted(url)}: more than {MAX_PAGES} pages of one catalogue"
                return Flaw(urls.redacted(url), CatalogDefect(message, kind="too-deep"))
            try:
                document = await self._reader.read(Request(url))
            except TransferError as error:
                return Flaw(urls.redacted(url), error)
            if stac.kind_of(document.body) is not kind or document.body.get("id") != id_:
                return None
            is_collection = kind is DocumentKind.COLLECTION
            found = self._catalogue(document.body, document.url, collection, is_collection=is_collection)
            await emit([one for one in found if not isinstance(one, Collection)])
        return None

    async def _visit_item(
        self, document: Document, link: FollowedLink, emit: Emit, version: DocumentVersion | None
    ) -> Flaw | None:
        """`version`: of a document that may be asked for on condition the next time."""
        item = stac.item_of(document.body, document.url, link.collection or NO_COLLECTION)
        if isinstance(item, Flaw):
            return item
        if link.rel == "items":
            self._doubtful.add(link.collection or NO_COLLECTION)
        if version is not None and self._conditional is not None:
            selected = item.id if self._admits(item) else ""
            self._conditional.items.note(link.url, version, item.collection, selected)
        await self._emit_chosen([item._replace(addresses=(document.url, link.url))], emit)
        return None

    async def _features(self, document: Document | None, link: FollowedLink, emit: Emit) -> Flaw | None:
        """Items in one document, or on one or more pages as an API has them."""
        name = link.collection
        listing = _listing_of(link)
        is_empty = True
        async for page in self._pages(document, "features", link):
            if isinstance(page, Flaw):
                return page
            is_empty &= not page.records
            found = stac.items_of(page.records, page.url, name or NO_COLLECTION)
            begun = Page(
                page.matched,
                listing,
                len(page.records),
                name,
                repeatable=page.is_short,
                is_last=page.is_last,
                is_cut=page.is_cut,
            )
            self._listings[listing] = link
            await self._emit_chosen([begun, *found], emit)
            if self._quota.used_up:
                break
        if is_empty:
            self._doubtful.add(name or NO_COLLECTION)
        return None

    async def _list_of_collections(self, document: Document, emit: Emit) -> Flaw | None:
        """Collections in one document, or on the pages of an API. One without links is read by its own."""
        body = document.body
        member = stac.records_member(body) if isinstance(body, dict) else "collections"
        async for page in self._pages(document, member, FollowedLink(document.url, "data", "")):
            if isinstance(page, Flaw):
                return page
            await emit([Page()])
            for record in page.records:
                found = stac.collection_of(record, page.url)
                if isinstance(found, Flaw):
                    await emit([found])
                elif stac.has_links_to_items(found.body):
                    await emit(self._catalogue(found.body, page.url, "", is_collection=True)[1:])
                else:
                    await emit(self._own_document(found))
        return None

    def _own_document(self, collection: Collection) -> Entries:
        """A collection of a list that links to no items: to be read at its self link, if that is usable."""
        own = [{**link, "rel": "child"} for link in stac.links_of(collection.body, "self")]
        flaws = self._note_links({"links": own}, collection.href, "", ("child",))
        if own and not flaws:
            return []
        return flaws + self._catalogue(collection.body, collection.href, "", is_collection=True)[1:]

    async def _pages(
        self, document: Document | None, member: str, link: FollowedLink
    ) -> AsyncIterator[stac.ListingPage | Flaw]:
        """The pages of a listing, the first as it was read; a flaw, as the last, where they break off."""
        if document is not None and isinstance(document.body, list):
            document = Document({member: document.body}, document.url)
        try:
            async for page in stac.pages(
                self._reader,
                Request(link.url),
                member=member,
                allow_origins=self._allow,
                first=document,
                must_reach_total=member != "features",
            ):
                yield page
        except (SourceError, CatalogError) as error:
            yield Flaw(urls.redacted(link.url), error, listing=_listing_of(link))

    def _catalogue(self, body: JsonObject, url: str, collection: str, *, is_collection: bool) -> Entries:
        """The entries for a Catalog or Collection; its links are noted for the next level."""
        entries: Entries = [Page()]
        if is_collection:
            found = stac.collection_of(body, url)
            if isinstance(found, Collection):
                collection = found.id
                self._collections.add(collection)
            if self._is_wanted(collection):
                entries.append(found)
        rels = ("child", "item", "items") if self._is_wanted(collection) else ("child",)
        return entries + self._note_links(body, url, collection, rels)

    def _note_links(self, body: JsonObject, url: str, collection: str, rels: Sequence[str]) -> Entries:
        """Adds to the next level. Returns a flaw for each link that may not be followed."""
        flaws: Entries = []
        for found in self._links.of(body, url, collection, rels):
            if isinstance(found, Flaw):
                flaws.append(found)
            else:
                self._next_level.append(found)
        return flaws

    async def _emit_chosen(self, entries: Iterable[Entry], emit: Emit) -> None:
        chosen = [one for one in entries if not isinstance(one, Item) or self._admits(one)]
        self._of_items.update(one.collection for one in chosen if isinstance(one, Item))
        if kept := self._quota.admit(chosen):
            await emit(kept)

    def _noting_flaws(self, emit: Emit) -> Emit:
        async def note(entries: Sequence[Entry]) -> None:
            self._has_flaws |= any(isinstance(one, Flaw) and not one.benign for one in entries)
            await emit(entries)

        return note

    def _missing_collections(self) -> Entries:
        """A flaw for each wanted collection that the catalogue does not have.

        Raises `SourceError` if it has none of those that were wanted. Where something could not be read,
        which may have been the collection, nothing is said.
        """
        if self._has_flaws:
            return []
        known = self._collections | (self._apis.collections if self._apis is not None else set())
        missing = self._wanted.unmatched(known | self._of_items) if not self._quota.used_up else []
        errors: list[MlhubError] = [
            unknown_id(f"{self.name} has no collection", name, sorted(known)) for name in missing
        ]
        if errors and len(errors) == len(self._wanted.names):
            raise errors[0]
        return [Flaw(self.name, error) for error in errors]

    def _is_wanted(self, collection: str) -> bool:
        return not collection or self._wanted.admits(collection)


def _listing_of(link: FollowedLink) -> str:
    return link.listing or urls.redacted(link.url)
