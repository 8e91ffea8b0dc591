"""Reads the collections of items that were met by links of their own, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ... import stac
from ...core.errors import Fatal, MlhubError, Transient
from ...core.model import Collection, Item, Request
from ..access import DAMAGED
from ..items.item_limit import Entries
from .failures import LinkFailure, LinkFailures

if TYPE_CHECKING:
    from ...core.ports import Reader

LOCKS = 16
MAX_REMEMBERED = 10_000
"""URLs of collections that could not be read."""


class LinkedCollections:
    """The collections that items name by a `collection` link.

    `target` gives the URL of a link, or raises `MlhubError` for one that may not be followed. Concurrent
    calls for one URL read it once.
    """

    def __init__(self, reader: Reader, target: Callable[[str, str], str], failures: LinkFailures) -> None:
        self._reader = reader
        self._target = target
        self._failures = failures
        self._failed: dict[str, LinkFailure] = {}
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]
        self.emitted: set[str] = set()
        """ids of collections that the listing has"""

    async def new(self, item: Item) -> Entries:
        """The collection of an item, unless it was emitted before; a flaw where it cannot be read."""
        link = next(iter(stac.json_links(item.body, "collection")), None)
        if link is None or item.collection in self.emitted:
            return []
        owner = (item.collection, item.id)
        try:
            url = self._target(link["href"], item.href)
        except MlhubError as error:
            return await self._failures.flaws(link["href"], _failure(error), [owner])
        async with self._locks[hash(url) % LOCKS]:
            if item.collection in self.emitted:
                return []
            found = self._failed.get(url) or await self._read(url)
            if isinstance(found, Collection):
                self.emitted.add(item.collection)
                return [found]
            if len(self._failed) < MAX_REMEMBERED:
                self._failed[url] = found
        return await self._failures.flaws(url, found, [owner])

    async def _read(self, url: str) -> Collection | LinkFailure:
        try:
            document = await self._reader.read_unless_data(Request(url))
        except Fatal:
            raise
        except MlhubError as error:
            return _failure(error)
        found = stac.collection_of(document.body, document.url)
        return found if isinstance(found, Collection) else LinkFailure(found.error, what="collection")


def _failure(error: MlhubError) -> LinkFailure:
    benign = not isinstance(error, Transient) and error.kind not in DAMAGED
    return LinkFailure(error, benign=benign, what="collection")
