"""Hides the datasets of MLHub, which are no STAC: how one is found, and which collections it stands for."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .. import stac
from ..core import urls
from ..core.errors import CatalogError, SourceError, TransferError, Transient
from ..core.model import JsonObject, Request
from ..core.ports import Reader
from .api.collections import unknown
from .item_limit import Names


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
            raise unknown("MLHub has no dataset", dataset, await self._ids(), error.message) from error

    async def _ids(self) -> Names:
        try:
            return [str(one.get("id")) for one in await self.all()]
        except TransferError:
            return []
