"""`MlhubSource`: collections named one by one or by their dataset, in an API without search."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from dataclasses import replace

from ... import stac
from ...core import urls
from ...core.errors import UsageError
from ...core.model import Asset, JsonObject
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ..access import unknown_id
from ..api.source import ApiSource
from .datasets import Datasets, api_root


class MlhubSource:
    """Collections of MLHub, named by `-c` or by their dataset (`--dataset`).

    Raises `UsageError` if the selection has neither.
    """

    reports_split = True

    def __init__(
        self, reader: Reader, root: str, selection: Selection, allow_origins: Some[str] = frozenset()
    ) -> None:
        if not selection.collections and not selection.dataset:
            raise UsageError("MLHub has hundreds of collections: name some with -c or --dataset")
        self.name = urls.redacted(root)
        self._reader = reader
        self._root = api_root(root)
        self._selection = selection
        self._allow = allow_origins
        self._api = self._api_of(selection.collections)

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        if self._selection.dataset and not only:
            self._api = self._api_of(await self._collections_of(self._selection.dataset))
        await self._api.list(emit, only)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._api.refresh(asset)

    def _api_of(self, collections: Sequence[str]) -> ApiSource:
        chosen = replace(self._selection, collections=tuple(collections))
        return ApiSource(self._reader, self._root, {}, chosen, self._allow)

    async def _collections_of(self, dataset: str) -> Sequence[str]:
        """The ids of the dataset's collections, labels first: they say whose source imagery an item is.
        Where some are named by `-c` too, these."""
        listed = await Datasets(self._reader, self._root).collections_of(dataset)
        found = [one["id"] for one in sorted(listed, key=_is_imagery)]
        choice = stac.CollectionChoice(self._selection.collections)
        for name in choice.unmatched(found):
            raise unknown_id(f"dataset {urls.term_safe(dataset)} has no collection", name, found)
        return choice.expanded(found) if choice else found


def _is_imagery(collection: JsonObject) -> bool:
    types = collection.get("types")
    return isinstance(types, list) and "source_imagery" in types and "labels" not in types
