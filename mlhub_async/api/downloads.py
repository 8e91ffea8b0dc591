"""Downloads of single assets, without a catalogue and without a ledger."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..core.concurrency import run_single
from ..core.errors import TransferError
from ..core.model import Asset, Job
from ..core.options import Options
from ..core.telemetry import Events, Meter
from ..engine.placement.paths import path_request
from ..http.client import Http
from ..storage.local.store import LocalStore
from ..transfer.context import Refresh, TransferContext
from ..transfer.dedupe import UrlDedupe
from ..transfer.existing import ExistingFiles
from ..transfer.fetch import fetch
from ..transfer.segments.coordinator import MAX_STREAMS, segment_policy


async def download_asset(
    asset: Asset, store: LocalStore, http: Http, options: Options, refresh: Refresh
) -> Path:
    """Bring one asset to the path below the store's root that a mirror would give it; returns that path.

    `refresh` is asked for the asset's present href when the one it has is expired.
    Raises `TransferError` or `StorageError`.
    """
    job, context = Job(*path_request(asset, options.template)), _context(store, http, options, refresh)
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
        ExistingFiles.of(store),
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
