"""Hides the Radiant MLHub API: datasets that stand for collections, and an API with items but no search."""

from __future__ import annotations

from collections.abc import Collection as Some
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from .. import stac, urls
from ..errors import CatalogError, SourceError, TransferError, Transient, UsageError
from ..model import Asset, Request, Selection
from ..ports import Emit, Reader
from .api import ApiSource, nearest
from .quota import Names


class MlhubSource:
    """Collections of MLHub, named one by one (-c) or by their dataset (--dataset)."""

    def __init__(
        self, reader: Reader, root: str, selection: Selection, allow_origins: Some[str] = frozenset()
    ) -> None:
        if not selection.collections and not selection.dataset:
            raise UsageError("MLHub has hundreds of collections: name some with -c or --dataset")
        self.name = urls.redacted(root)
        self._reader = reader
        self._root = root.partition("?")[0].rstrip("/") + "/"
        self._selection = selection
        self._allow = allow_origins
        self._api = ApiSource(reader, self._root, {}, selection, allow_origins)

    async def list(self, emit: Emit) -> None:
        names = [*self._selection.collections]
        if self._selection.dataset:
            names += await self._of_dataset(self._selection.dataset, frozenset(names))
        chosen = replace(self._selection, collections=tuple(dict.fromkeys(names)))
        self._api = ApiSource(self._reader, self._root, {}, chosen, self._allow)
        await self._api.list(emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._api.refresh(asset)

    async def _of_dataset(self, dataset: str, named: frozenset[str]) -> Names:
        """The dataset's collections, once each (the API repeats some); with -c too, those named of them."""
        document = await self._dataset(dataset)
        listed = document.get("collections") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise SourceError(
                f"dataset {urls.term_safe(dataset)} has no list of collections", kind="not-stac"
            )
        ids = [one.get("id") if isinstance(one, dict) else one for one in listed]
        found = [one for one in ids if isinstance(one, str) and one]
        return [one for one in found if not named or one in named]

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
            close = nearest(dataset, await self._dataset_ids())
            raise SourceError(
                f"MLHub has no dataset {urls.term_safe(dataset)!r}{close} ({error.message})", kind="not-found"
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
