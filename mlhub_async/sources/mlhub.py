"""Radiant MLHub as a source: collections named one by one or by their dataset, in an API without search."""

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
from .access import unknown_id
from .api.source import ApiSource


class MlhubSource:
    """Collections of MLHub, named by `-c` or by their dataset (`--dataset`).

    Raises `UsageError` if the selection has neither.
    """

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
        """The ids of the dataset's collections; where some are named by `-c` too, these."""
        found = [one["id"] for one in await Datasets(self._reader, self._root).collections_of(dataset)]
        choice = stac.CollectionChoice(self._selection.collections)
        for name in choice.unmatched(found):
            raise unknown_id(f"dataset {urls.term_safe(dataset)} has no collection", name, found)
        return choice.expanded(found) if choice else found


class Datasets:
    """The datasets of an MLHub. `root` ends in a slash."""

    def __init__(self, reader: Reader, root: str) -> None:
        self._reader = reader
        self._root = root

    async def all(self) -> list[JsonObject]:
        """Every dataset. Raises `TransferError` where the API has no list of them.

        The list has no pages. Raises `SourceError` for any other answer, which may be a part of one.
        """
        url = f"{self._root}datasets"
        listed = (await self._reader.read(Request(url))).body
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise SourceError(f"{urls.redacted(url)} is no list of datasets", kind="not-stac")
        return listed

    async def collections_of(self, dataset: str) -> list[JsonObject]:
        """The collections of a dataset, given by its id or DOI. Each comes once, though the API repeats some.

        Raises `SourceError` if there is no such dataset, or if it has no collections.
        """
        document = await self._document(dataset)
        listed = document.get("collections") if isinstance(document, dict) else None
        found: dict[str, JsonObject] = {}
        for one in listed if isinstance(listed, list) else []:
            collection = one if isinstance(one, dict) else {"id": one}
            if isinstance(collection.get("id"), str) and collection["id"]:
                found.setdefault(collection["id"], collection)
        if not found:
            raise SourceError(f"dataset {urls.term_safe(dataset)} has no collections", kind="not-stac")
        return list(found.values())

    async def _document(self, dataset: str) -> Any:
        folder = "doi/" if "/" in dataset else ""
        url = f"{self._root}datasets/{folder}{quote(dataset, safe='/')}"
        try:
            return (await self._reader.read(Request(url))).body
        except Transient as error:
            raise CatalogError(f"dataset {urls.term_safe(dataset)}: {error.message}") from error
        except TransferError as error:
            if error.denied:
                raise stac.access_error(url, error) from error
            raise unknown_id("MLHub has no dataset", dataset, await self._ids(), error.message) from error

    async def _ids(self) -> list[str]:
        try:
            return [str(one.get("id")) for one in await self.all()]
        except (SourceError, TransferError):
            return []


def api_root(url: str) -> str:
    """The URL of an API that paths are appended to: without a query, ending in a slash."""
    return url.partition("?")[0].rstrip("/") + "/"
