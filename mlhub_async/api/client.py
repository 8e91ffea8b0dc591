"""`Client`: the MLHub API as calls, for datasets, collections, items, assets and downloads."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from .. import stac
from ..core.concurrency import map_in_order
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError, UsageError
from ..core.model import Asset, JsonObject, Request
from ..core.options import Options, as_tuple
from ..core.secret import Secret
from ..core.urls import origin, parse, redacted
from ..engine.connect import location_of, mlhub_root, open_http
from ..engine.mirror import mirror
from ..engine.report.receipt import Report
from ..http.client import Http
from ..sources.items.objects import assets, given_item
from .downloads import OpenStores, download_asset

CONCURRENT_READS = 16
"""Documents that `items_by_id` and `source_items` read at a time."""


class Client:
    """A client of the MLHub API, or of any other API that is like it. Use it with `async with`.

    The key is the one given, else the one that the command line would find: in the environment, then in a
    profile. `root_url` is the root of the API (default MLHUB_ROOT_URL). Items, collections and datasets are
    plain dicts. Methods raise `SourceError` for what the API does not have or refuses, `TransferError` for
    what could not be read after all retries, `CatalogError` for a listing that broke off or gave less than
    it announced, and `UsageError` outside of the `async with`, whose end closes every connection.
    """

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        api_token: str | Secret | None = None,
        profile: str | None = None,
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
        self._environ = dict(os.environ if environ is None else environ)
        if root_url is not None:
            self._environ["MLHUB_ROOT_URL"] = root_url
        self._root = mlhub_root(self._environ).rstrip("/")
        self._stack = AsyncExitStack()
        self._stores = OpenStores(self._options.durability)
        self._http: Http | None = None

    async def __aenter__(self) -> Client:
        self._http = await self._stack.enter_async_context(
            open_http(location_of("mlhub", self._environ), self._options, self._environ)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http = None
        await self._stack.aclose()
        self._stores.close()

    @property
    def _opened_http(self) -> Http:
        if self._http is None:
            raise UsageError("use the client with `async with Client(...) as mlhub:`")
        return self._http

    def _url(self, *path: str) -> str:
        return "/".join([self._root, *(quote(part, safe="") for part in path)])

    async def _read(self, url: str) -> Any:
        try:
            return (await self._opened_http.read(Request(url))).body
        except TransferError as error:
            if error.denied:
                raise stac.access_error(url, error) from error
            if error.absent:
                raise SourceError(error.message, kind="not-found") from error
            raise

    async def _read_object(self, url: str) -> JsonObject:
        body = await self._read(url)
        if not isinstance(body, dict):
            raise SourceError(f"{redacted(url)} is not a JSON object", kind="not-stac")
        return body

    async def datasets(
        self, tags: Sequence[str] = (), text: Sequence[str] = ()
    ) -> AsyncGenerator[JsonObject, None]:
        """Datasets that have all the tags and match all the phrases (`text`).

        Tags are checked here too, for servers that ignore them.
        """
        query = urlencode([*(("tags", tag) for tag in tags), *(("text", phrase) for phrase in text)])
        url = self._url("datasets")
        listed = await self._read(f"{url}?{query}" if query else url)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise SourceError(f"{redacted(url)} is no list of datasets", kind="not-stac")
        for dataset in listed:
            own = dataset.get("tags")
            if not isinstance(own, list) or all(tag in own for tag in tags):
                yield dataset

    async def dataset(self, id: str) -> JsonObject:
        """One dataset by its id or DOI."""
        path = ["doi", *id.split("/")] if "/" in id else [id]
        return await self._read_object(self._url("datasets", *path))

    async def collections(self) -> AsyncGenerator[JsonObject, None]:
        """All collections of the API, over all pages."""
        async with aclosing(self._pages(self._url("collections"), "collections")) as pages:
            async for collections in pages:
                for collection in collections:
                    yield collection

    async def collection(self, id: str) -> JsonObject:
        """One collection by its id."""
        return await self._read_object(self._url("collections", id))

    async def pages(self, collection: str, *, limit: int = 100) -> AsyncGenerator[list[JsonObject], None]:
        """The items of a collection, page by page, `limit` at a time."""
        url = f"{self._url('collections', collection, 'items')}?limit={limit}"
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
        self, collection: str, *, max_items: int | None = None, limit: int = 100
    ) -> AsyncGenerator[JsonObject, None]:
        """The items of a collection, no more than `max_items`; asked for by pages of `limit`."""
        left = max_items
        if left == 0:
            return
        limit = limit if left is None else min(limit, left)
        async with aclosing(self.pages(collection, limit=limit)) as pages:
            async for page in pages:
                for item in page:
                    yield item
                    left = left - 1 if left is not None else None
                    if left == 0:
                        return

    async def item(self, collection: str, id: str) -> JsonObject:
        """One item by its id."""
        return await self._read_object(self._url("collections", collection, "items", id))

    async def items_by_id(self, collection: str, ids: Iterable[str]) -> list[JsonObject]:
        """The items in the order of `ids`, read concurrently. One that is missing raises `SourceError`."""
        return await map_in_order(partial(self.item, collection), as_tuple(ids), CONCURRENT_READS)

    async def source_items(self, item: Any) -> AsyncGenerator[JsonObject, None]:
        """The items of the source imagery of a label item, in the order of its links, each once."""
        links = list(dict.fromkeys(map(self._with_https, stac.source_links(given_item(item)))))
        for start in range(0, len(links), CONCURRENT_READS):
            # Tasks end before anything is yielded: a generator may be left at any yield (PEP 789).
            batch = links[start : start + CONCURRENT_READS]
            for found in await map_in_order(self._read_object, batch, CONCURRENT_READS):
                yield found

    def _with_https(self, link: str) -> str:
        """The link with https if it is to the API's own host by http, so that the key is sent to it."""
        try:
            return stac.resolve_trusted(link, self._root, ())
        except MlhubError:
            return link

    async def describe(self, collection: str) -> str:
        """A few lines of text: title, license and number of items of a collection, assets of one item."""
        about = await self.collection(collection)
        page = await self._read_object(f"{self._url('collections', collection, 'items')}?limit=1")
        return "\n".join(_description(about, page))

    async def download(self, asset: Asset, dest: str | os.PathLike[str]) -> Path:
        """Download one asset to the path below `dest` that a mirror would give it; returns that path.

        The file gets its name when it is whole and checked. `dest` is locked by this client until it mirrors
        there or is closed. Raises `TransferError`, `StorageError` or `Locked`.
        """
        http = self._opened_http
        with self._stores.at(dest) as store:
            return await download_asset(asset, store, http, self._options, self._refresh)

    async def _refresh(self, asset: Asset) -> Asset | None:
        """The asset with its present href, from its item; None if it has left that, or is a collection's."""
        if not asset.item:
            return None
        fresh = assets(await self.item(asset.collection, asset.item))
        return next((one for one in fresh if one.key == asset.key), None)

    async def mirror(
        self,
        collection: str,
        dest: str | os.PathLike[str],
        *,
        follow_sources: bool = True,
        options: Options | None = None,
    ) -> Report:
        """Mirror a collection; see `mlhub_async.mirror`. `options` replace those of the client, but its keys.

        `dest` must not be one that a `download` is writing to at the moment.
        """
        self._stores.release(dest)
        chosen = options or self._options
        selection = replace(chosen.selection, collections=(collection,), follow_sources=follow_sources)
        chosen = replace(
            chosen,
            selection=selection,
            api_key=self._options.api_key,
            api_token=self._options.api_token,
            profile=self._options.profile,
        )
        return await mirror("mlhub", dest, chosen, environ=self._environ)


def _description(collection: JsonObject, page: JsonObject) -> Iterator[str]:
    matched = stac.matched_of(page)
    first: JsonObject = next(iter(page.get("features") or ()), {})
    title = collection.get("title") or collection.get("description") or ""
    yield f"{collection.get('id')}: {title}".rstrip(": ")
    yield f"license: {collection.get('license')}"
    yield f"items: {matched if matched is not None else 'unknown'}"
    yield "assets of an item:"
    if not first:
        return
    for asset in assets(first):
        yield f"  {asset.key}: {asset.media_type or 'of unknown type'}"
    if sources := len(stac.source_links(given_item(first))):
        yield f"source imagery: {sources} items per label"
