"""Object stores at the endpoint that the user names, for the hrefs of whatever catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...core.model import Asset, Collection, Entry, Item
from ...core.urls import StoreEndpoints

if TYPE_CHECKING:
    from ...core.ports import Emit, Source


class WithEndpoints:
    """A source whose items and collections name object stores at these endpoints."""

    def __init__(self, source: Source, endpoints: StoreEndpoints) -> None:
        self.name = source.name
        self._source = source
        self._endpoints = endpoints

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        async def located(entries: Sequence[Entry]) -> None:
            await emit([self._located(entry) for entry in entries])

        await self._source.list(located, only)

    def _located(self, entry: Entry) -> Entry:
        return entry._replace(endpoints=self._endpoints) if isinstance(entry, Item | Collection) else entry

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._source.refresh(asset)
