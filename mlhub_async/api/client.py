"""The MLHub API as calls: datasets, collections, items, assets, downloads."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from .. import stac
from ..core.concurrency import map_in_order, run_single
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError, UsageError
from ..core.model import Asset, Job, JsonObject, Request
from ..core.options import Options, as_tuple
from ..core.secret import Secret
from ..core.telemetry import Events, Meter
from ..core.urls import origin, parse, redacted
from ..engine.connect import location_of, mlhub_root, open_http
from ..engine.mirror import mirror
from ..engine.placement import place
from ..engine.report.receipt import Report
from ..http.client import Http
from ..sources.items.objects import assets, given_item
from ..storage.local.store import LocalStore
from ..transfer.dedupe import UrlDedupe
from ..transfer.existing import ExistingFilePolicy
from ..transfer.fetch import TransferContext, fetch
from ..transfer.segments.coordinator import MAX_STREAMS, segment_policy

CONCURRENT_READS = 16
"""Documents that `items_by_id` and `source_items` read at a time."""


class Client:
    """A connection to MLHub, or to anything that speaks its API. Use it with `async with`.

    The key is the one given, else as the command line finds it: environment, then profile. `root_url`
    is the API's root (default MLHUB_ROOT_URL). Methods raise `SourceError` for what the API does not
    have or refuses, `TransferError` for what could not be read after all retries, `CatalogError` for a
    listing that broke off or gave less than it announced, and `UsageError` outside of the `async with`,
    whose end closes every connection. Items, collections and datasets are plain dicts.
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
        self._stores = HeldStores(self._options.durability)
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
                raise stac.refused(url, error) from error
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
        """Datasets that have all the tags and match all the phrases.

        Where a server does not look at the tags, it is done here.
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
        """All collections that the API has, over all pages."""
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
        """The source imagery of a label item, in the order of its links, each once."""
        links = list(dict.fromkeys(map(self._lifted, stac.source_links(given_item(item)))))
        for start in range(0, len(links), CONCURRENT_READS):
            # Tasks end before anything is yielded: a generator may be left at any yield (PEP 789).
            batch = links[start : start + CONCURRENT_READS]
            for found in await map_in_order(self._read_object, batch, CONCURRENT_READS):
                yield found

    def _lifted(self, link: str) -> str:
        """A link that lost its https on the way to the API's own host gets it back, and so the key."""
        try:
            return stac.followed(link, self._root, ())
        except MlhubError:
            return link

    async def describe(self, collection: str) -> str:
        """A few lines for people: what a collection is, how many items it has, which assets they carry."""
        about = await self.collection(collection)
        page = await self._read_object(f"{self._url('collections', collection, 'items')}?limit=1")
        return "\n".join(described(about, page))

    async def download(self, asset: Asset, dest: str | os.PathLike[str]) -> Path:
        """Bring one asset below `dest`, at the place a mirror would give it; returns its path.

        Whole, checked, and only then under its name. `dest` is this client's alone until it mirrors to it
        or is closed. Raises `TransferError`, `StorageError` or `Locked`.
        """
        http = self._opened_http
        with self._stores.at(dest) as store:
            job, context = Job(*place(asset, self._options.path_template)), self._context(http, store)
            outcome, _ = await run_single(partial(fetch, job, context), MAX_STREAMS, context.idle_slots)
        if outcome.record is None:
            raise outcome.error or TransferError(f"{asset.key} could not be had")
        return store.root / outcome.record.path

    def _context(self, http: Http, store: LocalStore) -> TransferContext:
        async def renewed(asset: Asset) -> Asset | None:
            if not asset.item:
                return None
            fresh = assets(await self.item(asset.collection, asset.item))
            return next((one for one in fresh if one.key == asset.key), None)

        async def moved(identity: tuple[str, str, str], path: str) -> str:
            return path

        told = Meter(), Events(None)
        context = TransferContext(
            http, store, http.retry, UrlDedupe(None), renewed, moved, *told, ExistingFilePolicy(store)
        )
        meter, quirks, idle_slots = context.meter, context.quirks, context.idle_slots
        return replace(context, segments=segment_policy(self._options.parts, http, meter, quirks, idle_slots))

    async def mirror(
        self,
        collection: str,
        dest: str | os.PathLike[str],
        *,
        follow_sources: bool = True,
        options: Options | None = None,
    ) -> Report:
        """Mirror a collection; see `mlhub_async.mirror`. `options` replaces those of the client.

        `dest` must not be one that a `download` is just writing in.
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


__all__ = ["Client", "assets"]


def described(collection: JsonObject, page: JsonObject) -> Iterator[str]:
    """Lines for people about a collection and the first page of its items."""
    matched = stac.matched_of(page)
    first: JsonObject = next(iter(page.get("features") or ()), {})
    title = collection.get("title") or collection.get("description") or ""
    yield f"{collection.get('id')}: {title}".rstrip(": ")
    yield f"license: {collection.get('license')}"
    yield f"items: {matched if matched is not None else 'not told'}"
    yield "assets of an item:"
    if not first:
        return
    for asset in assets(first):
        yield f"  {asset.key}: {asset.media_type or 'type not told'}"
    if sources := len(stac.source_links(given_item(first))):
        yield f"source imagery: {sources} items per label"


class HeldStores:
    """Stores by their directory, opened when they are needed."""

    def __init__(self, durability: str) -> None:
        self._durability = durability
        self._stores: dict[Path, LocalStore] = {}
        self._users: Counter[Path] = Counter()

    @contextlib.contextmanager
    def at(self, dest: str | os.PathLike[str]) -> Iterator[LocalStore]:
        """The store at `dest`. Raises `StorageError` or `Locked`."""
        place = Path(dest).resolve()
        store = self._stores.get(place)
        if store is None:
            store = LocalStore(Path(dest), durability=self._durability)
            try:
                store.open()
            except BaseException:
                store.close()
                raise
            self._stores[place] = store
        self._users[place] += 1
        try:
            yield store
        finally:
            self._users[place] -= 1

    def release(self, dest: str | os.PathLike[str]) -> None:
        """Let others have `dest`, unless somebody is at work there."""
        place = Path(dest).resolve()
        if place in self._stores and not self._users[place]:
            self._stores.pop(place).close()

    def close(self) -> None:
        while self._stores:
            self._stores.popitem()[1].close()
