"""STAC APIs that a static catalogue links to: each is listed as an API, with the same selection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from ...core import urls
from ...core.errors import CatalogError, MlhubError, SourceError, TransferError
from ...core.model import Asset, Collection, Document, Entry, Flaw, Item, Page
from ...core.options import Selection
from ...core.ports import Emit, Source
from ..items.item_limit import ItemQuota


class CollectionSource(Source, Protocol):
    """A source that can be asked for some of its collections."""

    async def having(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the names that are collections of this source, each with the collection's own id."""
        ...


OpenApi = Callable[[Document, Selection, ItemQuota], CollectionSource]
"""Makes the source for a landing page. It counts items with the quota that is given, and reports no ids as
missing: the items may be elsewhere in the catalogue."""


class NestedApis:
    """The APIs below one catalogue. `collections` are those that they gave, or that were wanted of them."""

    def __init__(self, open_api: OpenApi, selection: Selection) -> None:
        self._open = open_api
        self._selection = replace(selection, split=1)  # there are as many listings at a time as links
        self._by_listing: dict[str, tuple[Source, str]] = {}
        self._by_collection: dict[str, Source] = {}
        self.collections: set[str] = set()

    async def list(self, document: Document, quota: ItemQuota, emit: Emit) -> None:
        """List the API with this landing page. What breaks it off, or refuses it, is a flaw."""
        try:
            await self._list(document, quota, emit)
        except (SourceError, CatalogError, TransferError) as error:
            await emit([Flaw(urls.redacted(document.url), error)])

    async def list_again(self, names: Sequence[str], emit: Emit) -> None:
        """Read listings of the APIs once more."""
        for name in names:
            api, own_name = self._by_listing[name]
            await api.list(self._noting(api, emit), (own_name,))

    async def refresh(self, asset: Asset) -> Asset | None:
        """The asset as its API has it now; None for one that came from no API."""
        api = self._by_collection.get(asset.collection)
        return None if api is None else await api.refresh(asset)

    async def _list(self, document: Document, quota: ItemQuota, emit: Emit) -> None:
        api = self._open(document, self._selection, quota)
        if self._selection.collections:
            found = await api.having(self._selection.collections)
            if not found:
                return
            self.collections.update(found)
            chosen = replace(self._selection, collections=tuple(found))
            api = self._open(document, chosen, quota)
        await api.list(self._noting(api, emit))

    def _noting(self, api: Source, emit: Emit) -> Callable[[Sequence[Entry]], Awaitable[None]]:
        """Passes entries on. Listings get the name of the API too: several may have the same collections."""

        async def note(entries: Sequence[Entry]) -> None:
            await emit([self._noted(one, api) for one in entries])

        return note

    def _noted(self, entry: Entry, api: Source) -> Entry:
        if isinstance(entry, Page):
            name = f"{api.name} {entry.listing}".strip()
            if entry.repeatable:
                self._by_listing[name] = api, entry.listing
            return entry._replace(listing=name)
        if isinstance(entry, Flaw) and entry.listing is not None:
            return entry._replace(listing=f"{api.name} {entry.listing}".strip())
        if isinstance(entry, Collection | Item):
            name = entry.id if isinstance(entry, Collection) else entry.collection
            self._by_collection.setdefault(name, api)
            self.collections.add(name)
        return entry


def unlisted_api(document: Document) -> MlhubError:
    """The error for an API that is met where only links of one of its collections are followed."""
    where = urls.redacted(document.url)
    return TransferError(f"{where} is another STAC API: mirror it by its own address", kind="nested-api")
