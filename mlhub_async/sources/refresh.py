"""Hides how an href that expired is renewed: its item is read again, once for all its assets."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Collection as Some
from dataclasses import replace

from .. import stac
from ..core.errors import TransferError, Transient
from ..core.model import Asset, Collection, Item, Request
from ..core.ports import Reader

REMEMBERED = 64

Place = tuple[str, str]
Assets = list[Asset]


class HrefRefresher:
    """The present hrefs of assets of one source. Remembers the last 64 items that it read.

    `address`: where an item is read, or for an item of "" its collection; "" where nobody knows.
    """

    def __init__(self, reader: Reader, address: Callable[[str, str], str]) -> None:
        self._reader = reader
        self._address = address
        self._locks = [asyncio.Lock() for _ in range(16)]
        self._known: OrderedDict[Place, Assets] = OrderedDict()

    async def refreshed(self, stale: Asset) -> Asset | None:
        """The asset with an href it did not have, or None. `Transient` if its item cannot be read now."""
        place = (stale.collection, stale.item)
        async with self._locks[hash(place) % len(self._locks)]:
            known = _other(self._known.get(place, ()), stale)
            return known or _other(await self._read(place), stale)

    async def _read(self, place: Place) -> Assets:
        url = self._address(*place)
        if not url:
            return []
        try:
            document = await self._reader.read(Request(url))
        except Transient:
            raise
        except TransferError:
            return []
        assets = _assets(document.body, document.url, place)
        self._known[place] = assets
        self._known.move_to_end(place)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return assets


def _assets(body: object, url: str, place: Place) -> Assets:
    collection, item = place
    if item:
        found = stac.item_of(body, url, collection)
        return stac.assets_of(replace(found, collection=collection)) if isinstance(found, Item) else []
    whole = stac.collection_of(body, url)
    return stac.collection_assets(whole) if isinstance(whole, Collection) else []


def _other(assets: Some[Asset], stale: Asset) -> Asset | None:
    for asset in assets:
        if asset.identity == stale.identity and asset.href and asset.href != stale.href:
            return asset
    return None
