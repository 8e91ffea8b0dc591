"""Finds the present href of an asset whose href has expired, by reading its item again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Collection as Some
from typing import TYPE_CHECKING

from .. import stac
from ..core.errors import TransferError, Transient
from ..core.model import Asset, Collection, Item, Request

if TYPE_CHECKING:
    from ..core.ports import Reader

MAX_REMEMBERED = 64
"""Items whose assets are kept, so that the other assets of an item need no request of their own."""
LOCKS = 16

Owner = tuple[str, str]
"""Collection and item of an asset; "" for the item of a collection's own asset."""
Assets = list[Asset]


class HrefRefresher:
    """The present hrefs of assets of one source. Concurrent calls for assets of one item read it once.

    `document_url` gives the URL of an item, or of a collection where the item is ""; "" if unknown.
    """

    def __init__(self, reader: Reader, document_url: Callable[[str, str], str]) -> None:
        self._reader = reader
        self._document_url = document_url
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]
        self._known: OrderedDict[Owner, Assets] = OrderedDict()

    async def refreshed(self, stale: Asset) -> Asset | None:
        """The asset with an href other than the stale one, or None if there is none.

        Raises `Transient` if its item cannot be read now.
        """
        owner = (stale.collection, stale.item)
        async with self._locks[hash(owner) % len(self._locks)]:
            known = _with_other_href(self._known.get(owner, ()), stale)
            return known or _with_other_href(await self._read(owner), stale)

    async def _read(self, owner: Owner) -> Assets:
        url = self._document_url(*owner)
        if not url:
            return []
        try:
            document = await self._reader.read(Request(url))
        except Transient:
            raise
        except TransferError:
            return []
        assets = _assets(document.body, document.url, owner)
        self._known[owner] = assets
        self._known.move_to_end(owner)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return assets


def _assets(body: object, url: str, owner: Owner) -> Assets:
    collection, item = owner
    if item:
        found = stac.item_of(body, url, collection)
        return stac.assets_of(found._replace(collection=collection)) if isinstance(found, Item) else []
    whole = stac.collection_of(body, url)
    return stac.collection_assets(whole) if isinstance(whole, Collection) else []


def _with_other_href(assets: Some[Asset], stale: Asset) -> Asset | None:
    for asset in assets:
        if asset.identity == stale.identity and asset.href and asset.href != stale.href:
            return asset
    return None
