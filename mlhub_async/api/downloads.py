"""Downloads of assets, one or many, without a catalogue and without a ledger."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..core.concurrency import run_single
from ..core.errors import MlhubError, TransferError, UsageError
from ..core.model import Asset
from ..core.options import Options
from ..core.ports import Place, Settled, Submit
from ..core.telemetry import Events, Meter
from ..engine.executors.local import LocalExecutor
from ..engine.placement.paths import unclaimed_job
from ..http.client import Http
from ..storage.local.store import LocalStore
from ..transfer.context import Refresh, TransferContext
from ..transfer.dedupe import UrlDedupe
from ..transfer.existing import ExistingFiles
from ..transfer.fetch import fetch
from ..transfer.segments.coordinator import MAX_STREAMS, segment_policy

MAX_FAILED = 1000
"""Failed assets that a result holds."""
EachDownload = Callable[[Asset, Path | None, MlhubError | None], Awaitable[None]]
"""Told of every asset: with its path, or with the reason why it is not there."""


@dataclass(slots=True)
class Downloads:
    """What became of many assets. `failed`: the first thousand that are not there, with the reasons."""

    fetched: int = 0
    """assets whose files are there now"""
    repeated: int = 0
    """assets that were given again: they were left out"""
    failures: int = 0
    failed: list[tuple[Asset, MlhubError]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise the first reason why an asset is not there, if there is one."""
        if self.failed:
            raise self.failed[0][1]


async def download_assets(
    assets: Iterable[Asset] | AsyncIterable[Asset],
    store: LocalStore,
    http: Http,
    options: Options,
    refresh: Refresh,
    each: EachDownload | None,
) -> Downloads:
    """Bring assets to their paths with as many transfers at a time as a mirror has; see `download_asset`.

    What is held of an asset that is done is the hash of its identity.
    """
    result, seen = Downloads(), set[int]()

    async def produce(submit: Submit) -> None:
        async for asset in _each_of(assets):
            if (identity := hash(asset.identity)) in seen:
                result.repeated += 1
                continue
            seen.add(identity)
            await submit(unclaimed_job(asset, options.template))

    async def settle(batch: Sequence[Settled], place: Place | None = None) -> None:
        for outcome, _ in batch:
            asset, record, error = outcome.job.asset, outcome.record, outcome.error
            if record is None:
                error = error or TransferError(f"{asset.key}: it could not be downloaded")
                result.failures += 1
                result.failed += [(asset, error)] if len(result.failed) < MAX_FAILED else []
            result.fetched += record is not None
            if each is not None:
                await each(asset, None if record is None else store.root / record.path, error)

    executor = LocalExecutor(_context(store, http, options, refresh), options.concurrency)
    await executor.run(produce, settle)
    return result


async def _each_of(assets: Iterable[Asset] | AsyncIterable[Asset]) -> AsyncIterable[Asset]:
    if isinstance(assets, AsyncIterable):
        async for asset in assets:
            yield _checked(asset)
        return
    for asset in [assets] if isinstance(assets, Asset) else assets:
        yield _checked(asset)


def _checked(given: object) -> Asset:
    if not isinstance(given, Asset):
        raise UsageError(f"an asset is what mlhub_async.assets(item) gives, not {type(given).__name__}")
    return given


async def download_asset(
    asset: Asset, store: LocalStore, http: Http, options: Options, refresh: Refresh
) -> Path:
    """Bring one asset to the path below the store's root that a mirror would give it; returns that path.

    `refresh` is asked for the asset's present href when the one it has is expired.
    Raises `TransferError`, `StorageError` or `UsageError`.
    """
    job, context = unclaimed_job(_checked(asset), options.template), _context(store, http, options, refresh)
    outcome, _ = await run_single(partial(fetch, job, context), MAX_STREAMS, context.idle_slots)
    if outcome.record is None:
        raise outcome.error or TransferError(f"{asset.key}: it could not be downloaded")
    return store.root / outcome.record.path


def _context(store: LocalStore, http: Http, options: Options, refresh: Refresh) -> TransferContext:
    async def keep_path(identity: tuple[str, str, str], path: str) -> str:
        return path

    context = TransferContext(
        http,
        store,
        http.retry,
        UrlDedupe(None),
        refresh,
        keep_path,
        Meter(),
        Events(None),
        ExistingFiles.of(store, options.if_exists, options.verify),
    )
    segments = segment_policy(options.parts, http, context.meter, context.quirks, context.idle_slots)
    return replace(context, segments=segments)


class OpenStores:
    """The stores that a client downloads to, by their directory; opened, and locked, when first used."""

    def __init__(self, durability: str) -> None:
        self._durability = durability
        self._stores: dict[Path, LocalStore] = {}
        self._users: Counter[Path] = Counter()

    @contextlib.contextmanager
    def at(self, dest: str | os.PathLike[str]) -> Iterator[LocalStore]:
        """The store at `dest`, which stays open afterwards. Raises `StorageError` or `Locked`."""
        root = Path(dest).resolve()
        store = self._stores.get(root)
        if store is None:
            store = LocalStore(Path(dest), durability=self._durability)
            try:
                store.open()
            except BaseException:
                store.close()
                raise
            self._stores[root] = store
        self._users[root] += 1
        try:
            yield store
        finally:
            self._users[root] -= 1

    def release(self, dest: str | os.PathLike[str]) -> None:
        """Close the store at `dest`, so that a mirror can lock it; not while a download is writing there."""
        root = Path(dest).resolve()
        if root in self._stores and not self._users[root]:
            self._stores.pop(root).close()

    def close(self) -> None:
        """Close all stores. May be called twice."""
        while self._stores:
            self._stores.popitem()[1].close()
