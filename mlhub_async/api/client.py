"""`Client`: the MLHub API as calls, for datasets, collections, items, assets, downloads and mirrors."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from ..core.errors import UsageError
from ..core.model import Asset
from ..core.options import Options, as_tuple
from ..core.telemetry import Listener
from ..engine.report.receipt import Report
from ..sources.items.objects import assets
from .dataset_options import DatasetArguments, dataset_options
from .downloads import Downloads, EachDownload, OpenStores, download_asset, download_assets
from .monitoring import Progress, mirror
from .reader import ApiReader, Missing

Keys = str | Iterable[str] | None
ARCHIVE_TEMPLATE = "${key}${ext}"


class Client(ApiReader):
    """A client of the MLHub API, or of any other API that is like it. Use it with `async with`.

    The key is the one given, else the one that the command line would find: in the environment, then in a
    profile. `collection_id` and `feature_id` are the collection and the item of every call that names none.
    `root_url` is the root of the API (default MLHUB_ROOT_URL). Without one only what is recorded of the
    datasets of Radiant MLHub, which is closed, can be had: `datasets`, `dataset` and `mirror_dataset`.

    Items, collections, datasets and models are plain dicts. Methods raise `SourceError` for what the API does
    not have or refuses, `TransferError` for what could not be read after all retries, `CatalogError` for a
    listing that broke off or gave less than it announced, and `UsageError` outside of the `async with`, whose
    end closes every connection.

        >>> from mlhub_async.demo import serve
        >>> async with serve() as site, mlhub_async.Client(site.key, root_url=site.root) as mlhub:
        ...     item = await mlhub.item("ref_landcovernet_v1_labels", "ref_landcovernet_v1_labels_29NMG_12")
        ...     path = await mlhub.download(mlhub_async.assets(item, keys="labels")[0], "data")
        >>> path.name
        'labels.tif'
    """

    @cached_property
    def _stores(self) -> OpenStores:
        return OpenStores(self._options.durability)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        self._stores.close()

    async def item_source_assets(
        self, item: Any, keys: Keys = None, *, missing: Missing = "raise"
    ) -> AsyncGenerator[Asset, None]:
        """The assets of the source imagery of a label item; `keys`: only these, where an item has them."""
        async with aclosing(self.source_items(item, missing=missing)) as sources:
            async for source in sources:
                for asset in _with_keys(source, keys):
                    yield asset

    async def item_all_assets(
        self, item: Any, keys: Keys = None, source_keys: Keys = None, *, missing: Missing = "raise"
    ) -> AsyncGenerator[Asset, None]:
        """The assets of a label item, then those of its source imagery, read 16 items at a time."""
        for asset in _with_keys(item, keys):
            yield asset
        async with aclosing(self.item_source_assets(item, source_keys, missing=missing)) as found:
            async for asset in found:
                yield asset

    async def items_all_assets(
        self,
        collection: str | None = None,
        *,
        classes: str | Sequence[str] = (),
        max_items: int | None = None,
        limit: int = 100,
        keys: Keys = None,
        source_keys: Keys = None,
        missing: Missing = "raise",
    ) -> AsyncGenerator[Asset, None]:
        """The assets of every label item of a collection and of their source imagery.

        `classes`: only of label items that show one of these; `max_items`: of so many label items. Nothing is
        collected: a page of items and 16 source items are held at a time, and links are used while they are
        fresh where `downloads` takes the assets from here.
        """
        listing = self.items(collection, max_items=max_items, limit=limit, classes=classes)
        async with aclosing(listing) as items:
            async for item in items:
                async with aclosing(self.item_all_assets(item, keys, source_keys, missing=missing)) as found:
                    async for asset in found:
                        yield asset

    async def download(self, asset: Asset, dest: str | os.PathLike[str]) -> Path:
        """Download one asset to the path below `dest` that a mirror would give it; returns that path.

        The file gets its name when it is whole and checked. `dest` is locked by this client until it mirrors
        there or is closed. Raises `TransferError`, `StorageError` or `Locked`.
        """
        http = self._opened_http
        with self._stores.at(dest) as store:
            return await download_asset(asset, store, http, self._options, self._refresh)

    async def downloads(
        self,
        assets: Iterable[Asset] | AsyncIterable[Asset],
        dest: str | os.PathLike[str],
        *,
        each: EachDownload | None = None,
    ) -> Downloads:
        """Download assets as `download` does, many at a time (`Options.concurrency`), each URL once.

        `assets` are taken as slots become free, so that a listing goes on meanwhile. One that fails is in the
        result, and told to `each`, which is awaited with every asset and its path or its error. Raises
        `StorageError`, `Locked`, and what the iterable raises.
        """
        http = self._opened_http
        with self._stores.at(dest) as store:
            return await download_assets(assets, store, http, self._options, self._refresh, each)

    async def download_archive(self, collection: str | None, dest: str | os.PathLike[str]) -> Path:
        """Download the archive of a collection (`/archive/ID`) to `dest`/ID.tar.gz, as it is.

        `mirror` reads archives too, and gives their files with documents and a receipt. Raises as `download`
        does; kind `not-found` for a collection that has no archive.
        """
        name = self._collection(collection)
        asset = Asset(self._url("archive", name), f"{name}.tar", "", name, "application/gzip")
        options = replace(self._options, path_template=ARCHIVE_TEMPLATE, layout=None)
        http = self._opened_http
        with self._stores.at(dest) as store:
            return await download_asset(asset, store, http, options, self._refresh)

    async def _refresh(self, asset: Asset) -> Asset | None:
        """The asset with its present href, from its item; None if it has left that, or is a collection's."""
        if not asset.item:
            return None
        fresh = assets(await self.item(asset.collection, asset.item))
        return next((one for one in fresh if one.key == asset.key), None)

    async def mirror(
        self,
        collection: str | None = None,
        dest: str | os.PathLike[str] = "",
        *,
        follow_sources: bool = True,
        options: Options | None = None,
        progress: Progress = False,
        on_event: Listener | None = None,
    ) -> Report:
        """Mirror a collection; see `mlhub_async.mirror`. `options` replace those of the client, but its keys.

        `dest` must not be one that a `download` is writing to at the moment.
        """
        name = self._collection(collection)
        chosen = options or self._options
        selection = replace(chosen.selection, collections=(name,), follow_sources=follow_sources)
        return await self._mirror(dest, replace(chosen, selection=selection), progress, on_event)

    async def mirror_dataset(
        self,
        dataset: str,
        dest: str | os.PathLike[str],
        *,
        asset_dir: str | os.PathLike[str] | None = None,
        options: Options | None = None,
        progress: Progress = False,
        on_event: Listener | None = None,
        **chosen: Unpack[DatasetArguments],
    ) -> Report:
        """Mirror all collections of a dataset, by its id or DOI; with the arguments of the official client.

        `asset_dir`: the mirror is made there, and its documents, whose asset hrefs are absolute paths then,
        are in `dest` too. `options` replace those of the client, but its keys, and `chosen` parts of them:
        see `DatasetArguments`. `progress` and `on_event` are those of `mlhub_async.mirror`, which also says
        what is raised.
        """
        wanted = dataset_options(options or self._options, dataset, chosen)
        from .catalogue_copy import copy_catalogue, is_same_directory

        if asset_dir is None or is_same_directory(asset_dir, dest):
            return await self._mirror(dest, wanted, progress, on_event)
        absolute = replace(wanted, asset_hrefs="absolute")
        report = await self._mirror(asset_dir, absolute, progress, on_event)
        copy_catalogue(Path(asset_dir), Path(dest))
        return report

    async def _mirror(
        self,
        dest: str | os.PathLike[str],
        options: Options,
        progress: Progress,
        on_event: Listener | None,
    ) -> Report:
        if not os.fspath(dest):
            raise UsageError("dest is missing: give the directory of the mirror")
        self._stores.release(dest)
        chosen = replace(
            options,
            api_key=self._options.api_key,
            api_token=self._options.api_token,
            profile=self._options.profile,
        )
        return await mirror(
            "mlhub", dest, chosen, progress=progress, on_event=on_event, environ=self._environ
        )


def _with_keys(item: Any, keys: Keys) -> list[Asset]:
    """The assets of an item in its order; `keys`: only these."""
    wanted = None if keys is None else as_tuple(keys)
    return [asset for asset in assets(item) if wanted is None or asset.key in wanted]
