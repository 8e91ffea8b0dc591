"""Hides the Radiant MLHub API: datasets that stand for collections, and an API with items but no search."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from .. import stac, urls
from ..errors import CatalogError, SourceError, TransferError, Transient, UsageError
from ..model import Asset, Request
from ..options import Selection
from ..ports import Emit, Reader
from .api import ApiSource
from .directory import unknown
from .tally import Names


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
        """The dataset's collections, of which the API repeats some; with -c too, those of them."""
        document = await self._dataset(dataset)
        listed = document.get("collections") if isinstance(document, dict) else None
        ids = [one.get("id") if isinstance(one, dict) else one for one in listed or ()]
        found = list(dict.fromkeys(one for one in ids if isinstance(one, str) and one))
        shown = f"dataset {urls.term_safe(dataset)}"
        if not found:
            raise SourceError(f"{shown} has no collections", kind="not-stac")
        for name in named:
            if name not in found:
                raise unknown(f"{shown} has no collection", name, found)
        return named or found

    async def _dataset(self, dataset: str) -> Any:
        where = "doi/" if "/" in dataset else ""
        url = f"{self._root}datasets/{where}{quote(dataset, safe='/')}"
        try:
            return (await self._reader.read(Request(url))).body
        except Transient as error:
            raise CatalogError(f"dataset {urls.term_safe(dataset)}: {error.message}") from error
        except TransferError as error:
            if error.status in (401, 403):
                raise stac.refused(url, error.status) from error
            raise unknown(
                "MLHub has no dataset", dataset, await self._dataset_ids(), error.message
            ) from error

    async def _dataset_ids(self) -> Names:
        try:
            listed = (await self._reader.read(Request(f"{self._root}datasets"))).body
        except TransferError:
            return []
        return (
            [str(one.get("id")) for one in listed if isinstance(one, dict)]
            if isinstance(listed, list)
            else []
        )
