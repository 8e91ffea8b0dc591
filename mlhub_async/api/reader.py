"""`ApiReader`: what the MLHub API tells of datasets, collections, items and models, as calls."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, overload
from urllib.parse import quote, urlencode

from .. import stac
from ..core.concurrency import map_in_order
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError, UsageError
from ..core.model import JsonObject, Request
from ..core.options import Options, Selection, as_tuple
from ..core.secret import Secret
from ..core.urls import origin, parse, redacted
from ..engine.connect import open_http
from ..http.client import Http
from ..sources.items.objects import given_item
from ..sources.location import locate, mlhub_root
from ..sources.mlhub.datasets import Datasets, collections_in
from .descriptions import description

CONCURRENT_READS = 16
"""Documents that a call reads at a time."""
Missing = Literal["raise", "none"]
"""What an item that does not exist is: a `SourceError`, or None."""


class DatasetCollections(NamedTuple):
    """The collections of a dataset, each once; one with imagery and labels is in both groups."""

    all: list[JsonObject]
    source_imagery: list[JsonObject]
    labels: list[JsonObject]


class ApiReader:
    """The reading part of `Client`, which says what its arguments are."""

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        api_token: str | Secret | None = None,
        profile: str | None = None,
        collection_id: str | None = None,
        feature_id: str | None = None,
        root_url: str | None = None,
        options: Options | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        options = options or Options()
        self._options = replace(
            options,
            api_key=api_key or options.api_key,
            api_token=api_token or options.api_token,
            profile=profile or options.profile,
        )
        self.collection_id = collection_id
        self.feature_id = feature_id
        self._environ = dict(os.environ if environ is None else environ)
        if root_url is not None:
            self._environ["MLHUB_ROOT_URL"] = root_url
        self._root = mlhub_root(self._environ).rstrip("/")
        self._stack = AsyncExitStack()
        self._http: Http | None = None

    async def __aenter__(self) -> Self:
        self._http = await self._stack.enter_async_context(
            open_http(locate("mlhub", mlhub_root(self._environ)), self._options, self._environ)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http = None
        await self._stack.aclose()

    @property
    def _opened_http(self) -> Http:
        if self._http is None:
            raise UsageError("use the client with `async with Client(...) as mlhub:`")
        if self._is_closed:
            from ..sources.mlhub.record import closed

            raise closed("nothing answers; give `root_url` of another server")
        return self._http

    @property
    def _is_closed(self) -> bool:
        """Whether nobody named a server, so that the API would be the one that is gone."""
        return not self._environ.get("MLHUB_ROOT_URL")

    def _collection(self, given: str | None) -> str:
        if found := given or self.collection_id:
            return found
        raise UsageError("name a collection, or give the client a collection_id")

    def _url(self, *path: str) -> str:
        return "/".join([self._root, *(quote(part, safe="") for part in path)])

    async def _read(self, url: str) -> Any:
        http = self._opened_http
        try:
            return (await http.read(Request(url))).body
        except TransferError as error:
            raise _as_source_error(error, url) from error

    async def _read_object(self, url: str) -> JsonObject:
        body = await self._read(url)
        if not isinstance(body, dict):
            raise SourceError(f"{redacted(url)} is not a JSON object", kind="not-stac")
        return body

    async def _read_list(self, url: str) -> list[JsonObject]:
        body = await self._read(url)
        if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
            raise SourceError(f"{redacted(url)} is not a list of JSON objects", kind="not-stac")
        return body

    async def _found(self, url: str) -> JsonObject | None:
        """The object at a URL; None where there is none."""
        try:
            return await self._read_object(url)
        except SourceError as error:
            if error.kind == "not-found":
                return None
            raise

    async def datasets(
        self, tags: str | Sequence[str] = (), text: str | Sequence[str] = ()
    ) -> AsyncGenerator[JsonObject, None]:
        """Datasets that have all the tags and match all the phrases (`text`).

        Tags are checked here too, for servers that ignore them. Without a server: the recorded datasets of
        Radiant MLHub, with the `places` where their data is.
        """
        tags, text = as_tuple(tags), as_tuple(text)
        if self._is_closed and self._http is not None:
            from ..sources.mlhub.record import the_record

            for recorded in the_record().matching(tags, text):
                yield recorded.as_document()
            return
        try:
            found = await Datasets(self._opened_http, f"{self._root}/").all(tags, text)
        except TransferError as error:
            raise _as_source_error(error, self._url("datasets")) from error
        for dataset in found:
            yield dataset

    async def dataset(self, id: str) -> JsonObject:
        """One dataset by its id or DOI. Without a server: what is recorded of it."""
        if self._is_closed and self._http is not None:
            from ..sources.mlhub.record import the_record

            return the_record().dataset(id).as_document()
        path = ["doi", *id.split("/")] if "/" in id else [id]
        return await self._read_object(self._url("datasets", *path))

    async def dataset_collections(self, id: str) -> DatasetCollections:
        """The collections of a dataset, by its id or DOI, and which of them are imagery and labels."""
        named = collections_in(await self.dataset(id))
        bodies = await map_in_order(self.collection, list(named), CONCURRENT_READS)
        of_type = {
            wanted: [body for body, types in zip(bodies, named.values(), strict=True) if wanted in types]
            for wanted in ("source_imagery", "labels")
        }
        return DatasetCollections(bodies, **of_type)

    async def catalog_info(self, dataset: str) -> JsonObject | None:
        """The sizes of a dataset in bytes: `stac_catalog_size`, of its archive of documents, and
        `estimated_dataset_size`, of all its assets. None if it has no such archive."""
        return await self._found(self._url("catalog", dataset, "info"))

    async def archive_info(self, collection: str | None = None) -> JsonObject | None:
        """The `size` in bytes of the archive of a collection, with its `dataset` and `types`; None if it has
        no archive."""
        return await self._found(self._url("archive", self._collection(collection), "info"))

    async def models(self) -> list[JsonObject]:
        """All models: STAC items of the ml-model extension."""
        return await self._read_list(self._url("models"))

    async def model(self, id: str) -> JsonObject:
        """One model by its id."""
        return await self._read_object(self._url("models", id))

    async def collections(self) -> AsyncGenerator[JsonObject, None]:
        """All collections of the API, over all pages."""
        async with aclosing(self._pages(self._url("collections"), "collections")) as pages:
            async for collections in pages:
                for collection in collections:
                    yield collection

    async def collection(self, id: str | None = None) -> JsonObject:
        """One collection by its id."""
        return await self._read_object(self._url("collections", self._collection(id)))

    async def pages(
        self, collection: str | None = None, *, limit: int = 100, extensions: Sequence[str] = ()
    ) -> AsyncGenerator[list[JsonObject], None]:
        """The items of a collection, page by page, `limit` at a time.

        `extensions`: the server is asked for items that support all of them.
        """
        query = urlencode([("limit", limit), *(("extensions", one) for one in as_tuple(extensions))])
        url = f"{self._url('collections', self._collection(collection), 'items')}?{query}"
        async with aclosing(self._pages(url, "features")) as pages:
            async for page in pages:
                yield page

    async def _pages(self, url: str, member: str) -> AsyncGenerator[list[Any], None]:
        """The records of every page. Raises `CatalogError` at the end if they are fewer than announced."""
        announced = given = 0
        allowed = frozenset(str(origin(parse(one))) for one in self._options.allow_origins)
        async for page in stac.pages(self._opened_http, Request(url), member=member, allow_origins=allowed):
            announced = max(announced, page.matched or 0)
            given += len(page.records)
            yield page.records
        if given < announced:
            raise CatalogError(f"{redacted(url)} announced {announced} {member} and gave {given}")

    async def items(
        self,
        collection: str | None = None,
        *,
        max_items: int | None = None,
        limit: int = 100,
        classes: str | Sequence[str] = (),
        extensions: Sequence[str] = (),
    ) -> AsyncGenerator[JsonObject, None]:
        """The items of a collection, no more than `max_items`; asked for by pages of `limit`.

        `classes`: only label items that show one of these, decided as `--class` does.
        """
        left = max_items
        if left == 0:
            return
        admits = stac.item_filter(Selection(classes=as_tuple(classes))) if classes else None
        limit = limit if left is None or classes else min(limit, left)
        async with aclosing(self.pages(collection, limit=limit, extensions=extensions)) as pages:
            async for page in pages:
                for item in page:
                    if admits is not None and not admits(given_item(item)):
                        continue
                    yield item
                    left = left - 1 if left is not None else None
                    if left == 0:
                        return

    @overload
    async def item(self, collection: str | None = None, id: str | None = None) -> JsonObject: ...

    @overload
    async def item(
        self, collection: str | None = None, id: str | None = None, *, missing: Missing
    ) -> JsonObject | None: ...

    async def item(
        self, collection: str | None = None, id: str | None = None, *, missing: Missing = "raise"
    ) -> JsonObject | None:
        """One item by its id. One that is missing raises `SourceError`, or is None with `missing="none"`."""
        if (found := id or self.feature_id) is None:
            raise UsageError("name an item, or give the client a feature_id")
        url = self._url("collections", self._collection(collection), "items", found)
        return await (self._read_object if missing == "raise" else self._found)(url)

    @overload
    async def items_by_id(
        self, collection: str | None = None, ids: Iterable[str] | None = None
    ) -> list[JsonObject]: ...

    @overload
    async def items_by_id(
        self, collection: str | None = None, ids: Iterable[str] | None = None, *, missing: Missing
    ) -> list[JsonObject | None]: ...

    async def items_by_id(
        self, collection: str | None = None, ids: Iterable[str] | None = None, *, missing: Missing = "raise"
    ) -> Sequence[JsonObject | None]:
        """The items in the order of `ids`, read concurrently.

        One that is missing raises `SourceError`, or is None with `missing="none"`.
        """
        wanted = as_tuple(self.feature_id or () if ids is None else ids)
        read = partial(self.item, self._collection(collection), missing=missing)
        return await map_in_order(lambda id: read(id=id), wanted, CONCURRENT_READS)

    async def source_items(
        self, item: Any, *, missing: Missing = "raise"
    ) -> AsyncGenerator[JsonObject, None]:
        """The items of the source imagery of a label item, in the order of its links, each once.

        One that is missing raises `SourceError`, or is left out with `missing="none"`.
        """
        async with aclosing(self._sources_of(item, missing)) as batches:
            async for batch in batches:
                for found in batch:
                    yield found

    async def _sources_of(self, item: Any, missing: Missing) -> AsyncGenerator[list[JsonObject], None]:
        links = list(dict.fromkeys(map(self._with_https, stac.source_links(given_item(item)))))
        read = self._read_object if missing == "raise" else self._found
        for start in range(0, len(links), CONCURRENT_READS):
            # Tasks end before anything is yielded: a generator may be left at any yield (PEP 789).
            batch = links[start : start + CONCURRENT_READS]
            found = await map_in_order(read, batch, CONCURRENT_READS)
            yield [one for one in found if one is not None]

    def _with_https(self, link: str) -> str:
        """The link with https if it is to the API's own host by http, so that the key is sent to it."""
        try:
            return stac.resolve_trusted(link, self._root, ())
        except MlhubError:
            return link

    async def describe(self, collection: str | None = None) -> str:
        """A few lines of text: title, extent, DOI, license and number of items of a collection, assets of
        one item."""
        name = self._collection(collection)
        about = await self.collection(name)
        page = await self._read_object(f"{self._url('collections', name, 'items')}?limit=1")
        first = next(iter(page.get("features") or ()), None)
        item = given_item(first) if first else None
        return "\n".join(description(about, stac.matched_of(page), item))


def _as_source_error(error: TransferError, url: str) -> MlhubError:
    if error.denied:
        return stac.access_error(url, error)
    return SourceError(error.message, kind="not-found") if error.absent else error
