"""The datasets of an MLHub: the list of them, and the collections of one that is named by its id or DOI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from ... import stac
from ...core import urls
from ...core.errors import CatalogError, SourceError, TransferError, Transient
from ...core.model import JsonObject, Request
from ...core.ports import Reader
from ..access import unknown_id


class Datasets:
    """The datasets of an MLHub. `root` ends in a slash."""

    def __init__(self, reader: Reader, root: str) -> None:
        self._reader = reader
        self._root = root

    async def all(self, tags: Sequence[str] = (), text: Sequence[str] = ()) -> list[JsonObject]:
        """Every dataset that has all tags and matches all phrases (`text`).

        Tags are compared here too, for servers that ignore them; phrases are matched by the server alone, in
        its own way. The list has no pages. Raises `TransferError` where the API has no list of datasets,
        `SourceError` for any other answer, which may be a part of one.
        """
        url = f"{self._root}datasets"
        query = urlencode([*(("tags", tag) for tag in tags), *(("text", phrase) for phrase in text)])
        listed = (await self._reader.read(Request(f"{url}?{query}" if query else url))).body
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise SourceError(f"{urls.redacted(url)} is no list of datasets", kind="not-stac")
        return [one for one in listed if _has_tags(one, tags)]

    async def collections_of(self, dataset: str) -> list[JsonObject]:
        """The collections of a dataset, given by its id or DOI. Each comes once, though the API repeats some.

        Raises `SourceError` if there is no such dataset, or if it has no collections.
        """
        document = await self._document(dataset)
        found = _named_collections(document if isinstance(document, dict) else {})
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


def collections_in(dataset: JsonObject) -> dict[str, list[str]]:
    """The ids of the collections of a dataset, each with its types: source_imagery, labels or both."""
    named = _named_collections(dataset)
    listed = {id: one.get("types") for id, one in named.items()}
    return {id: types if isinstance(types, list) else [] for id, types in listed.items()}


def _named_collections(dataset: JsonObject) -> dict[str, JsonObject]:
    """What a dataset says of its collections, by their id. Each comes once, though the API repeats some."""
    listed = dataset.get("collections")
    found: dict[str, JsonObject] = {}
    for one in listed if isinstance(listed, list) else []:
        collection = one if isinstance(one, dict) else {"id": one}
        if isinstance(collection.get("id"), str) and collection["id"]:
            found.setdefault(collection["id"], collection)
    return found


def _has_tags(dataset: JsonObject, tags: Sequence[str]) -> bool:
    """Whether it has all of them; what says nothing of tags is left to the server."""
    own = dataset.get("tags")
    return not isinstance(own, list) or all(tag in own for tag in tags)


def api_root(url: str) -> str:
    """The URL of an API that paths are appended to: without a query, ending in a slash."""
    return url.partition("?")[0].rstrip("/") + "/"
