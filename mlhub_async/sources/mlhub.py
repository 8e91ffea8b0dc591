"""Hides the Radiant MLHub API: datasets that stand for collections, and an API with items but no search."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from .. import stac
from ..core import urls
from ..core.errors import CatalogError, SourceError, TransferError, Transient, UsageError
from ..core.model import Asset, JsonObject, Request
from ..core.options import Selection
from ..core.ports import Emit, Reader
from .api.collections import unknown_id
from .api.source import ApiSource
from .item_limit import Names


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

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        if not only:
            self._api = await self._chosen()
        await self._api.list(emit, only)

    async def _chosen(self) -> ApiSource:
        names: Names = [*self._selection.collections]
        if self._selection.dataset:
            names = await self._of_dataset(self._selection.dataset, names)
        chosen = replace(self._selection, collections=tuple(names))
        return ApiSource(self._reader, self._root, {}, chosen, self._allow)

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._api.refresh(asset)

    async def _of_dataset(self, dataset: str, named: Names) -> Names:
        """The dataset's collections; with -c too, those of them."""
        found = [one["id"] for one in await Datasets(self._reader, self._root).collections_of(dataset)]
        for name in named:
            if name not in found:
                raise unknown_id(f"dataset {urls.term_safe(dataset)} has no collection", name, found)
        return named or found


class Datasets:
    """Those of one API. `root` ends in a slash."""

    def __init__(self, reader: Reader, root: str) -> None:
        self._reader = reader
        self._root = root

    async def all(self) -> list[JsonObject]:
        """Raises `TransferError` where the API has no such list."""
        listed = (await self._reader.read(Request(f"{self._root}datasets"))).body
        return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    async def collections_of(self, dataset: str) -> list[JsonObject]:
        """Each once, though the API repeats some. Raises `SourceError` if there are none."""
        document = await self._document(dataset)
        listed = document.get("collections") if isinstance(document, dict) else None
        listed = listed if isinstance(listed, list) else []
        found: dict[str, JsonObject] = {}
        for one in listed:
            own = one if isinstance(one, dict) else {"id": one}
            if isinstance(own.get("id"), str) and own["id"]:
                found.setdefault(own["id"], own)
        if not found:
            raise SourceError(f"dataset {urls.term_safe(dataset)} has no collections", kind="not-stac")
        return list(found.values())

    async def _document(self, dataset: str) -> Any:
        where = "doi/" if "/" in dataset else ""
        url = f"{self._root}datasets/{where}{quote(dataset, safe='/')}"
        try:
            return (await self._reader.read(Request(url))).body
        except Transient as error:
            raise CatalogError(f"dataset {urls.term_safe(dataset)}: {error.message}") from error
        except TransferError as error:
            if error.status in (401, 403):
                raise stac.refused(url, error) from error
            raise unknown_id("MLHub has no dataset", dataset, await self._ids(), error.message) from error

    async def _ids(self) -> Names:
        try:
            return [str(one.get("id")) for one in await self.all()]
        except TransferError:
            return []
