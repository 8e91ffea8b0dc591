"""Hides the Radiant MLHub API: datasets that stand for collections, and an API with items but no search."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from dataclasses import replace

from ..core import urls
from ..core.errors import UsageError
from ..core.model import Asset
from ..core.options import Selection
from ..core.ports import Emit, Reader
from .api.collections import unknown
from .api.source import ApiSource
from .datasets import Datasets
from .item_limit import Names


class MlhubSource:
    """Collections of MLHub, named one by one (-c) or by their dataset (--dataset)."""

    def __init__(
        self, reader: Reader, root: str, selection: Selection, allow_origins: Some[str] = frozenset()
    ) -> None:
        if not selection.collections and not selection.dataset:
            raise UsageError("MLHub has hundreds of collections: name some with -c or --dataset")
        self.name = urls.redacted(root)
        self.rereads = True
        self._reader = reader
        self._root = root.partition("?")[0].rstrip("/") + "/"
        self._selection = selection
        self._allow = allow_origins
        self._api = ApiSource(reader, self._root, {}, selection, allow_origins)

    async def list(self, emit: Emit) -> None:
        names: Names = [*self._selection.collections]
        if self._selection.dataset:
            names = await self._of_dataset(self._selection.dataset, names)
        chosen = replace(self._selection, collections=tuple(names))
        self._api = ApiSource(self._reader, self._root, {}, chosen, self._allow)
        await self._api.list(emit)

    async def again(self, listings: Sequence[str], emit: Emit) -> None:
        await self._api.again(listings, emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._api.refresh(asset)

    async def _of_dataset(self, dataset: str, named: Names) -> Names:
        """The dataset's collections; with -c too, those of them."""
        found = [one["id"] for one in await Datasets(self._reader, self._root).collections_of(dataset)]
        for name in named:
            if name not in found:
                raise unknown(f"dataset {urls.term_safe(dataset)} has no collection", name, found)
        return named or found
