"""Items of an API without search, each read by its own URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from ... import stac
from ...core import urls
from ...core.concurrency import fan_out
from ...core.errors import TransferError, Transient
from ...core.model import Collection, Flaw, Item, Request
from ...core.ports import Emit, Reader
from ..items.item_limit import Entries, ItemQuota
from .endpoints import Endpoints
from .names import CollectionNames

CONCURRENT_READS = 8


class ItemsById:
    """Reads items by their ids, in whichever of the collections has them."""

    def __init__(
        self, reader: Reader, endpoints: Endpoints, names: CollectionNames, admits: Callable[[Item], bool]
    ) -> None:
        self._reader = reader
        self._endpoints = endpoints
        self._names = names
        self._admits = admits

    async def list(
        self, collections: Iterable[Collection], ids: Sequence[str], quota: ItemQuota, emit: Emit
    ) -> None:
        """Emit the items that exist and are admitted. An id that no collection has is no error here."""

        async def produce(put: Callable[[tuple[str, str]], Awaitable[None]]) -> None:
            for collection in collections:
                for name in dict.fromkeys(ids):
                    await put((collection.id, name))

        async def work(owner: tuple[str, str]) -> None:
            if not quota.used_up:
                await emit(quota.admit(await self._item(*owner)))

        await fan_out(produce, work, CONCURRENT_READS)

    async def _item(self, collection: str, item: str) -> Entries:
        for name in self._names.of(collection):
            url = self._endpoints.item(name, item)
            try:
                document = await self._reader.read(Request(url))
            except Transient as error:
                return [Flaw(urls.redacted(url), error)]
            except TransferError as error:
                if error.absent:
                    continue
                return [Flaw(urls.redacted(url), error)]
            found = stac.item_of(document.body, document.url, collection)
            self._names.note_served(collection, name)
            return [found] if isinstance(found, Flaw) or self._admits(found) else []
        return []
