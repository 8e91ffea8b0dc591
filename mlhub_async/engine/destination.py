"""DEST of a run: a directory, or a bucket with its HTTP client. Only what is used is imported."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import pattern_on_use
from ..core.errors import DiskFull, DiskFullWarning, TransferError, UsageError, error_json
from ..core.json_text import loads
from ..core.options import Options
from ..core.telemetry import Events, human_size
from ..core.urls import AZURE, S3, StoreAddress, is_store_address, redacted, store_address, term_safe
from ..sources.location import Given, location_of, store_endpoints
from ..storage.layout import LOCK_FILE, SHARDS_DIR, STATE_DIR
from ..storage.local.destination import RunLock
from ..storage.local.disk_space import DiskSpace
from ..storage.local.store import LocalStore
from .connect import open_http, store_at

if TYPE_CHECKING:
    from ..core.model import Request
    from ..core.ports import Answer, Objects
    from ..http.client import Http
    from ..storage.bucket.apis.protocol import StoreApi
    from ..storage.bucket.store import BucketStore

BUCKETS_DIR = "buckets"
"""In the directory of the profiles: what is local of mirrors in buckets."""
BUCKETS = "a bucket (s3://, gs://, az://)"
_URL = pattern_on_use(r"[A-Za-z][A-Za-z0-9+.-]+://")
Space = Callable[[Path], DiskSpace]
"""Makes what is done when the disk of a directory is full."""


def bucket_of(dest: str | os.PathLike[str], environ: Mapping[str, str]) -> StoreAddress | None:
    """The bucket that DEST names, None for a directory. Raises `UsageError`, also for any other URL."""
    text = os.fspath(dest)
    if not is_store_address(text):
        if _URL.match(text):
            raise UsageError(f"DEST {redacted(text)} is a URL: give the path of a directory, or {BUCKETS}")
        return None
    try:
        address = store_address(
            text, region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
        )
    except TransferError as error:
        raise UsageError(f"DEST: {error.message}") from None
    return address


def state_folder(address: StoreAddress, options: Options, environ: Mapping[str, str]) -> Path:
    """Where the local part of a mirror in a bucket is: `--state`, or a directory below MLHUB_HOME."""
    if options.state is not None:
        return Path(options.state)
    place = f"{address.bucket_url(store_endpoints(options, environ).of(address.service))}{address.key}"
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{address.bucket}_{address.key}")[:60].strip("_")
    name = f"{readable}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
    from ..http.auth.profiles import profiles_path

    return profiles_path(environ).parent / BUCKETS_DIR / name


@asynccontextmanager
async def destination(
    dest: str | os.PathLike[str], options: Options, environ: Mapping[str, str], space: Space
) -> AsyncIterator[LocalStore | BucketStore]:
    """The store for DEST, not opened. What it needs of the network is closed at the end."""
    address = bucket_of(dest, environ)
    if address is None:
        if options.state is not None:
            raise UsageError("--state is for a bucket as DEST: a directory holds its own state")
        yield _store_at(Path(dest), options, space(Path(dest)))
        return
    if options.processes > 1 or options.scheduler is not None:
        raise UsageError(f"DEST {address} is filled by one process: leave --processes and --scheduler out")
    if options.shard is not None:
        raise UsageError(f"DEST {address} has no shards: give a directory, or leave --shard out")
    from ..storage.bucket.store import BucketStore

    state = state_folder(address, options, environ)
    async with open_objects(address, options, environ) as objects:
        yield BucketStore(objects, address, state, space(state))


def _store_at(dest: Path, options: Options, space: DiskSpace) -> LocalStore:
    """Raises `Locked` for a whole mirror where a shard is under way, `UsageError` where there are shards."""
    if options.shard is None and _has_shards(dest):
        lock = RunLock(dest / STATE_DIR / LOCK_FILE)
        lock.take()
        lock.release()
        refuse_shards(dest)
    return store_at(dest, options, space)


def _has_shards(dest: Path) -> bool:
    return os.path.isdir(dest / STATE_DIR / SHARDS_DIR)


def refuse_shards(dest: Path) -> None:
    """Raise `UsageError` where DEST has shards that are not joined: together they are no mirror yet."""
    if _has_shards(dest):
        where = term_safe(dest, 300)
        raise UsageError(f"{where} has shards that are not joined yet: mlhub-async merge {where}")


@asynccontextmanager
async def open_objects(
    address: StoreAddress, options: Options, environ: Mapping[str, str]
) -> AsyncIterator[Objects]:
    """The objects of a bucket. Its HTTP client is closed at the end."""
    from ..storage.bucket.objects import BucketObjects

    endpoint = store_endpoints(options, environ).of(address.service)
    options = replace(options, from_source=None)  # that is of SOURCE
    async with open_http(location_of(str(address), environ, options), options, environ) as http:
        yield BucketObjects(_Requests(http), _api_of(address, endpoint))


def _api_of(address: StoreAddress, endpoint: str) -> StoreApi:
    """The calls of the service of a bucket."""

    def url_of(key: str) -> str:
        return address._replace(key=key).url(endpoint)

    if address.service == S3:
        from ..storage.bucket.apis.s3 import S3Api

        return S3Api(url_of)
    if address.service == AZURE:
        from ..storage.bucket.apis.azure import AzureApi

        return AzureApi(url_of)
    from ..storage.bucket.apis.google import GoogleApi

    return GoogleApi(address.bucket, endpoint)


@asynccontextmanager
async def opened(store: LocalStore | BucketStore) -> AsyncIterator[None]:
    """Own DEST for this run. It is closed at the end."""
    with closing(store):
        store.open()
        async with nullcontext() if isinstance(store, LocalStore) else store.begun():
            yield


def refuse_overlap(
    source: Given, dest: str | os.PathLike[str], options: Options, environ: Mapping[str, str]
) -> None:
    """Raise `UsageError` where a run would list what it writes into a bucket, or write over what it lists.

    `connect` does this for folders. The file of --token-file is refused in DEST.
    """
    refuse_inside(dest, options, "--token-file", options.token_file)
    if (address := bucket_of(dest, environ)) is None:
        return
    location = location_of(source, environ, options)
    place = f"{location.url.partition('?')[0].rstrip('/')}/"
    target = f"{address.url(store_endpoints(options, environ).of(address.service)).rstrip('/')}/"
    if place.startswith(target) or (location.place is not None and target.startswith(place)):
        raise UsageError(
            f"SOURCE {redacted(location.url)} and DEST {address} lie in each other: choose a DEST beside it"
        )


def refuse_inside(
    dest: str | os.PathLike[str], options: Options, option: str, file: str | os.PathLike[str] | None
) -> None:
    """Raise `UsageError` for a file that an option has written among the files of the mirror.

    It would replace one of them after it was verified, or be replaced by it.
    """
    folders = [options.state] if is_store_address(os.fspath(dest)) else [dest]
    if file is None:
        return
    place = Path(os.path.realpath(file))
    for folder in folders:
        if folder is not None and place.is_relative_to(os.path.realpath(folder)):
            raise UsageError(
                f"{option} {term_safe(os.fspath(file), 300)} lies in {term_safe(os.fspath(folder), 300)}, "
                "among the files of the mirror: give a file outside of it"
            )


def refuse_bucket(dest: str | os.PathLike[str], what: str) -> None:
    """Raise `UsageError` where DEST is a bucket, for `what` can be done with directories only."""
    if is_store_address(os.fspath(dest)):
        raise UsageError(f"DEST {redacted(os.fspath(dest))}: {what}")


def absolute(root: Path | StoreAddress) -> str:
    """DEST in absolute hrefs."""
    return str(root.resolve()) if isinstance(root, Path) else str(root).removesuffix("/")


def disk_space_for(dest: str | os.PathLike[str], options: Options, events: Events) -> DiskSpace:
    """What happens on a full disk (`--on-full`). A wait for space is told by a warning and an event."""

    def warn(full: DiskFull, free: int) -> None:
        warnings.warn(
            f"the disk of {dest} is full ({human_size(free)} free): every transfer waits until there is room;"
            " Ctrl-C ends the run, what is there is kept",
            DiskFullWarning,
            stacklevel=2,
        )
        events.emit("throttle", error=loads(error_json(full)), free=free)

    return DiskSpace(Path(dest), waits=options.on_full == "pause", listener=warn)


def directory_of(store: LocalStore | BucketStore) -> Path | None:
    """The directory that DEST is; None for a bucket."""
    return store.root if isinstance(store, LocalStore) else None


class _Requests:
    """See `ports.StoreRequests`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def ask(
        self,
        request: Request,
        check: Callable[[Answer], None] = lambda _: None,
        again: Request | None = None,
    ) -> Answer:
        forms = chain([request], repeat(again or request))
        return await self._http.retry(lambda: self._once(next(forms), check))

    async def _once(self, request: Request, check: Callable[[Answer], None]) -> Answer:
        from ..core.ports import Answer
        from ..http.documents import AnswerSink

        sink = AnswerSink(request.url)
        await self._http.get(request, sink)
        answer = Answer(sink.fields, sink.whole(), sink.incomplete)
        check(answer)
        return answer
