"""Hides how a STAC API is listed: by a search where one is needed and offered, else by collection."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from collections.abc import Collection as Some
from dataclasses import replace
from difflib import get_close_matches
from urllib.parse import quote

from .. import stac, urls
from ..errors import CatalogError, MlhubError, SourceError, TransferError, Transient
from ..flow import one_ahead
from ..model import Asset, Collection, Flaw, Item, JsonObject, Page, Request, Selection
from ..ports import Emit, Reader
from .quota import Entries, Names, Quota
from .searches import at_items, at_search, needs_search, served

Assets = list[Asset]
REMEMBERED_ITEMS = 64
LISTED_COLLECTIONS = 10_000


class ApiSource:
    """A STAC API. `landing` is its landing page as read from `root`; {} where only the paths are known."""

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
        self._root = root.partition("?")[0].partition("#")[0].rstrip("/") + "/"
        self._landing = landing
        self._selection = selection
        self._allow = allow_origins
        self._quota = Quota(selection.max_items)
        self._locks = [asyncio.Lock() for _ in range(16)]
        self._items: OrderedDict[tuple[str, str], Assets] = OrderedDict()

    async def list(self, emit: Emit) -> None:
        self._quota = Quota(self._selection.max_items)
        await one_ahead(self._entries(), emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        """The asset as its item has it now. Many assets of one item at once read it once."""
        place = (asset.collection, asset.item)
        async with self._locks[hash(place) % len(self._locks)]:
            known = _renewed(self._items.get(place, ()), asset)
            return known or _renewed(await self._reread(place), asset)

    async def collections(self) -> AsyncIterator[JsonObject]:
        """Every collection document of the API, over all pages of /collections."""
        request = Request(self._url("data", "collections"))
        async for page in stac.pages(self._reader, request, member="collections", allow_origins=self._allow):
            for record in page.records:
                if isinstance(record, dict):
                    yield record

    async def collection(self, name: str) -> Collection:
        """One collection document. Raises `SourceError`, with the nearest ids, if there is none."""
        url = self._collection_url(name)
        try:
            document = await self._reader.read(Request(url))
        except Transient as error:
            raise CatalogError(f"collection {urls.term_safe(name)}: {error.message}") from error
        except TransferError as error:
            if error.status in (401, 403):
                raise stac.refused(url, error.status) from error
            raise await self._unknown(name, error) from error
        found = stac.collection_of(document.body, document.url)
        if isinstance(found, Flaw):
            raise SourceError(f"{found.error.message}: it is no STAC collection", kind="not-stac")
        return found

    async def _entries(self) -> AsyncIterator[Entries]:
        if self._search_url() and needs_search(self._selection):
            async for entries in self._searched():
                yield entries
            return
        names = dict.fromkeys(self._selection.collections)
        async for name in _each(names) if names else self._names():
            if self._quota.used_up:
                return
            async for entries in self._listed(name):
                yield entries

    async def _names(self) -> AsyncIterator[str]:
        async for record in self.collections():
            if isinstance(record.get("id"), str):
                yield record["id"]

    async def _listed(self, name: str) -> AsyncIterator[Entries]:
        """One collection by its items endpoint."""
        yield [await self.collection(name)]
        request = at_items(f"{self._collection_url(name)}/items", self._selection)
        chosen = replace(self._selection, collections=())
        async for entries in self._walk(request, chosen, name):
            yield entries

    async def _searched(self) -> AsyncIterator[Entries]:
        """All by one search; a collection comes before the first of its items."""
        told: set[str] = set()
        for name in dict.fromkeys(self._selection.collections):
            yield [await self.collection(name)]
            told.add(name)
        request = at_search(self._search_url(), self._method(), self._selection, self._landing)
        async for entries in self._walk(request, self._selection, ""):
            for name in dict.fromkeys(one.collection for one in entries if isinstance(one, Item)):
                if name not in told:
                    told.add(name)
                    yield await self._met(name)
            yield entries

    async def _met(self, name: str) -> Entries:
        """The collection of an item that was found. Items may live in one that the API does not describe."""
        try:
            return [await self.collection(name)]
        except MlhubError as error:
            return [Flaw(f"collection {urls.term_safe(name)}", error, benign=not error.retryable)]

    async def _walk(self, request: Request, chosen: Selection, name: str) -> AsyncIterator[Entries]:
        admitted = stac.admits(chosen, served=served(self._landing) if self._search_url() else frozenset())
        fallback = name or stac.NO_COLLECTION
        async for page in stac.pages(self._reader, request, allow_origins=self._allow):
            entries: Entries = [Page(page.matched, name)]
            for one in stac.items_of(page.records, page.url, fallback):
                if isinstance(one, Flaw) or admitted(one):
                    entries.append(one)
            yield self._quota.cut(entries)
            if self._quota.used_up:
                return

    async def _unknown(self, name: str, error: TransferError) -> SourceError:
        ids: Names = []
        try:
            async for record in self.collections():
                ids.append(str(record.get("id")))
                if len(ids) >= LISTED_COLLECTIONS:
                    break
        except MlhubError:
            ids = []
        return SourceError(
            f"{self.name} has no collection {urls.term_safe(name)!r}{nearest(name, ids)} ({error.message})",
            kind="not-found",
        )

    async def _reread(self, place: tuple[str, str]) -> Assets:
        collection, item = place
        url = self._collection_url(collection) + (f"/items/{quote(item, safe='')}" if item else "")
        try:
            document = await self._reader.read(Request(url))
        except Transient:
            raise
        except TransferError:
            return []
        assets = _assets(document.body, document.url, place)
        self._items[place] = assets
        self._items.move_to_end(place)
        if len(self._items) > REMEMBERED_ITEMS:
            self._items.popitem(last=False)
        return assets

    def _collection_url(self, name: str) -> str:
        return f"{self._url('data', 'collections').rstrip('/')}/{quote(name, safe='')}"

    def _search_url(self) -> str:
        for link in stac.links(self._landing, "search"):
            return stac.followed(link["href"], self._root, self._allow)
        return ""

    def _method(self) -> str:
        advertised = {
            str(link.get("method") or "GET").upper() for link in stac.links(self._landing, "search")
        }
        default = "POST" if "POST" in advertised else "GET"
        text_filter = isinstance(self._selection.filter, str)
        return (self._selection.method or ("GET" if text_filter else default)).upper()

    def _url(self, rel: str, path: str) -> str:
        for link in stac.links(self._landing, rel):
            return stac.followed(link["href"], self._root, self._allow).partition("?")[0]
        return self._root + path


def nearest(name: str, ids: list[str]) -> str:
    """What the user may have meant, as the rest of a sentence."""
    folded = {one.casefold(): one for one in ids}
    close = [folded[one] for one in get_close_matches(name.casefold(), folded, n=5, cutoff=0.5)]
    if not close:
        return "; mlhub-async ls lists them" if ids else ""
    return "; did you mean " + ", ".join(urls.term_safe(one) for one in close) + "?"


async def _each(names: Iterable[str]) -> AsyncIterator[str]:
    for name in names:
        yield name


def _assets(body: object, url: str, place: tuple[str, str]) -> list[Asset]:
    collection, item = place
    if item:
        found = stac.item_of(body, url, collection)
        return stac.assets_of(replace(found, collection=collection)) if isinstance(found, Item) else []
    whole = stac.collection_of(body, url)
    return stac.collection_assets(whole) if isinstance(whole, Collection) else []


def _renewed(assets: Some[Asset], stale: Asset) -> Asset | None:
    for asset in assets:
        if asset.identity == stale.identity and asset.href and asset.href != stale.href:
            return asset
    return None
