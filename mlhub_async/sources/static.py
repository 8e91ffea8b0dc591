"""A static catalogue as a source: JSON files that link to each other, crawled level by level."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Collection as Some
from dataclasses import dataclass
from typing import Any

from .. import stac
from ..core import urls
from ..core.concurrency import fan_out
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError
from ..core.model import (
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
from ..core.options import Selection
from ..core.ports import Emit, Reader
from .access import check_inside, unknown_id
from .item_limit import Entries, ItemQuota

CONCURRENT_READS = 16
MAX_DEPTH = 64
MAX_REMEMBERED = 100_000
"""Item links that are read once though several catalogues have them; beyond, each link is a request."""


@dataclass(frozen=True, slots=True)
class _Link:
    """A link to follow: its target, its relation, and the collection in which it was found ("" for none)."""

    url: str
    rel: str
    collection: str


Links = list[_Link]


class StaticSource:
    """A Catalog or Collection document that was read from `url`, and all that it links to.

    Hrefs are relative to where a document was read from, whatever its `self` link says.
    """

    def __init__(
        self,
        reader: Reader,
        root: JsonObject,
        url: str,
        selection: Selection,
        allow_origins: Some[str] = frozenset(),
    ) -> None:
        self.name = urls.redacted(url)
        self._reader = reader
        self._root = Document(root, url)
        self._selection = selection
        self._allow = allow_origins
        self._admits = stac.item_filter(selection)
        self._begin()

    def _begin(self) -> None:
        self._quota = ItemQuota(self._selection)
        self._collections: set[str] = set()
        self._visited = {urls.canonical(self._root.url)}
        self._next_level: Links = []
        self._item_links: set[int] = set()

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """Files announce no totals that would make another crawl worth while: no page is repeatable."""
        self._begin()
        await self._visit(self._root, "", emit)
        for _ in range(MAX_DEPTH):
            level, self._next_level = self._next_level, []
            await self._crawl(level, emit)
        if self._next_level and not self._quota.used_up:
            raise CatalogError(f"{self.name} is more than {MAX_DEPTH} levels deep", kind="too-deep")
        if not self._quota.used_up:
            await emit([CollectionListed(name) for name in self._complete_collections()])
        if missing := [*self._missing_collections(), *self._quota.missing(self.name)]:
            await emit(missing)

    async def refresh(self, asset: Asset) -> Asset | None:
        """Always None: an asset does not tell which file its item is in, and static hrefs do not expire."""
        return None

    def _complete_collections(self) -> Iterable[str]:
        """Collections that were wanted and found; beside them the items of no collection."""
        names = self._selection.collections or (*self._collections, NO_COLLECTION)
        return (name for name in names if name in self._collections or name == NO_COLLECTION)

    async def _crawl(self, level: Links, emit: Emit) -> None:
        async def produce(put: Callable[[_Link], Awaitable[None]]) -> None:
            for link in level:
                if self._quota.used_up:
                    return
                await put(link)

        async def work(link: _Link) -> None:
            if link.rel == "items":
                await self._read_pages(link, emit)
            else:
                await self._read_document(link, emit)

        await fan_out(produce, work, CONCURRENT_READS)

    async def _read_document(self, link: _Link, emit: Emit) -> None:
        try:
            document = await self._reader.read(Request(link.url))
        except TransferError as error:
            await emit([Flaw(urls.redacted(link.url), error)])
        else:
            await self._visit(document, link.collection, emit)

    async def _read_pages(self, link: _Link, emit: Emit) -> None:
        """`rel=items`: the items of the collection, on one or more pages as an API has them."""
        name = link.collection
        try:
            async for page in stac.pages(self._reader, Request(link.url), allow_origins=self._allow):
                found = stac.items_of(page.records, page.url, name or NO_COLLECTION)
                await self._emit_chosen([Page(page.matched, name, len(page.records), name), *found], emit)
                if self._quota.used_up:
                    return
        except SourceError as error:
            raise CatalogError(error.message, kind=error.kind) from error

    async def _visit(self, document: Document, collection: str, emit: Emit) -> None:
        """One document, as what it says it is: the relations of links are often wrong."""
        body, url = document.body, document.url
        if self._quota.used_up:
            return
        if _is_catalogue(body):
            await emit(self._catalogue(body, url, collection))
        else:
            item = stac.item_of(body, url, collection or NO_COLLECTION)
            await self._emit_chosen([item], emit)

    def _catalogue(self, body: JsonObject, url: str, collection: str) -> Entries:
        """The entries for a Catalog or Collection; its links are noted for the next level."""
        entries: Entries = [Page()]
        if _is_collection(body):
            found = stac.collection_of(body, url)
            if isinstance(found, Collection):
                collection = found.id
                self._collections.add(collection)
            if self._is_wanted(collection):
                entries.append(found)
        return entries + self._note_links(body, url, collection)

    def _note_links(self, body: JsonObject, url: str, collection: str) -> Entries:
        """Adds to the next level. Returns a flaw for each link that may not be followed."""
        flaws: Entries = []
        for rel in ("child", "item", "items") if self._is_wanted(collection) else ("child",):
            for link in stac.links_of(body, rel):
                try:
                    target = self._target(link["href"], url)
                except MlhubError as error:
                    flaws.append(Flaw(urls.redacted(url), error))
                    continue
                if self._is_new(rel, target, collection):
                    self._next_level.append(_Link(target, rel, collection))
        return flaws

    def _target(self, href: str, url: str) -> str:
        try:
            target = stac.resolve_trusted(href, url, self._allow)
        except CatalogError as error:  # the rest is listed, and another run would refuse it again
            raise TransferError(error.message, kind=error.kind) from error
        if target.startswith("file:"):
            check_inside(target, self._root.url)
        return target

    def _is_new(self, rel: str, target: str, collection: str) -> bool:
        """Whether a link was not met before. Of links to items, which lead no further, some are forgotten."""
        if rel == "item":
            # With the collection, which an item need not name itself.
            key = hash((target.partition("#")[0], collection))
            if key in self._item_links:
                return False
            if len(self._item_links) < MAX_REMEMBERED:
                self._item_links.add(key)
            return True
        url = urls.canonical(target)
        new = url not in self._visited
        self._visited.add(url)
        return new

    async def _emit_chosen(self, entries: Iterable[Entry], emit: Emit) -> None:
        chosen = [one for one in entries if not isinstance(one, Item) or self._admits(one)]
        if kept := self._quota.admit(chosen):
            await emit(kept)

    def _missing_collections(self) -> Entries:
        """A flaw for each wanted collection that the catalogue does not have.

        Raises `SourceError` if it has none of those that were wanted.
        """
        wanted, known = self._selection.collections, self._collections
        missing = [name for name in wanted if name not in known] if not self._quota.used_up else []
        errors = [unknown_id(f"{self.name} has no collection", name, sorted(known)) for name in missing]
        if errors and len(errors) == len(wanted):
            raise errors[0]
        return [Flaw(self.name, error) for error in errors]

    def _is_wanted(self, collection: str) -> bool:
        wanted = self._selection.collections
        return not wanted or not collection or collection in wanted


def _is_catalogue(body: Any) -> bool:
    """Whether a document is a Catalog or a Collection, and no item."""
    if not isinstance(body, dict) or body.get("type") == "Feature":
        return False
    return body.get("type") == "Catalog" or _is_collection(body) or "geometry" not in body


def _is_collection(body: JsonObject) -> bool:
    """Before STAC 1.0 collections had no type."""
    return body.get("type") == "Collection" or ("extent" in body and "license" in body)
