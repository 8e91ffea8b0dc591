"""Makes the source that a SOURCE means, the HTTP client that reads it and the store of DEST, from `Options`.

In this order: the time limit, the store, the source, the HTTP client, its transport, its credentials.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from .. import __version__
from ..core.errors import CatalogError, LimitReached, UsageError
from ..core.model import Collection, Document, Entry, Item, Request
from ..core.options import Options, shard_of
from ..core.ports import SigningContext
from ..core.urls import origin, parse, term_safe
from ..http.auth.credentials import Credential, header_credentials, mlhub_credential
from ..http.auth.schemes import DeclaredSchemes, RunSchemes
from ..http.auth.signer_set import SignerSet
from ..http.auth.signers.static import StaticSigner
from ..http.client import Http
from ..http.resilience.configured import origin_limits
from ..http.resilience.gate import OriginLimits
from ..http.resilience.retry import Retry
from ..http.resilience.suspend import SuspendDetector
from ..http.ssrf import AddressPolicy
from ..http.transport.failures import AddressCheck
from ..http.transport.fallback import FallbackTransport
from ..http.transport.fast.transport import FastTransport
from ..http.transport.file import FileTransport
from ..http.watchdog import Watchdog
from ..sources.access import user_url
from ..sources.files.archives.workspace import workspace
from ..sources.linked.directory_source import DirectorySource
from ..sources.linked.failures import FirstTime
from ..sources.location import Given, SourceLocation, location_of, mlhub_root, store_endpoints
from ..sources.recognise import recognise
from ..storage.layout import UNPACKED_DIR, shard_state
from ..storage.local.disk_space import DiskSpace
from ..storage.local.store import LocalStore
from ..storage.naming import names_labels

if TYPE_CHECKING:
    from ..core.ports import Lanes, ReadDocuments, Signer, Source, Transport
    from ..sources.browse import DatasetFilter, EmitLevel
    from ..sources.items.lockfile.elsewhere import Elsewhere


class Deadline:
    """The time limit of `--max-duration`, which starts when this is made. `seconds` None: no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._when = None if seconds is None else asyncio.get_running_loop().time() + seconds

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Cancel the body when the time is over, and raise `LimitReached`."""
        over = asyncio.timeout_at(self._when)
        try:
            async with over:
                yield
        except TimeoutError:
            if not over.expired():
                raise
            raise LimitReached("--max-duration is over; run again to go on where this stopped") from None


def store_at(dest: str | Path, options: Options, space: DiskSpace | None = None) -> LocalStore:
    """The store for DEST, or for a shard of it, not opened. Without `space` it does not wait when the disk
    is full."""
    numbers = None if options.shard is None else shard_of(options.shard)
    state = None if numbers is None else Path(dest) / shard_state(*numbers)
    return LocalStore(Path(dest), durability=options.durability, space=space, state=state)


class CommonArguments(TypedDict):
    """What every transport for http and https is made with."""

    user_agent: str
    connect_timeout: float
    idle_timeout: float
    check: AddressCheck
    tls: ssl.SSLContext | None


class OpenedSource(NamedTuple):
    """A source, and the HTTP client that reads it."""

    source: Source
    http: Http
    folder: str
    """the absolute folder of a local catalogue; "" for one on the network or of Python objects"""
    location: SourceLocation


@asynccontextmanager
async def open_source(
    source: Given,
    options: Options,
    environ: Mapping[str, str],
    deadline: Deadline,
    first_time: FirstTime | None = None,
    state: Path | None = None,
    known_version: int = 0,
) -> AsyncIterator[OpenedSource]:
    """The source that a SOURCE means. Its HTTP client is closed at the end.

    `known_version`: see `ListedVersion`. `state` is the folder for what a source keeps for later runs; None:
    nothing stays. `first_time` is told the URLs of linked items and returns those that are new to this run.
    Raises `UsageError`, `SourceError`, `CatalogError` (run again), or `LimitReached`.
    """
    location = location_of(source, environ, options)
    if state is not None and location.listed_folder is not None:
        _refuse_overlap(location.listed_folder, state.parent)
    location.version.before = known_version
    kept = None if state is None else (state / UNPACKED_DIR).absolute()  # files are renamed from there
    async with open_http(location, options, environ) as http:
        with workspace(kept) as room:
            async with deadline.enforced():
                found = await recognise(
                    location,
                    http,
                    options.selection,
                    allow_origins=options.allow_origins,
                    first_time=first_time,
                    workspace=room,
                    notes_labels=names_labels(options.template),
                )
            with_files = DirectorySource(found, http, options.selection, location.admits)
            yield OpenedSource(with_files, http, location.catalogue_folder, location)


def _refuse_overlap(folder: Path, dest: Path) -> None:
    """Raise `UsageError` where a run would list what it writes, or write over what it lists."""
    source, target = Path(os.path.realpath(folder)), Path(os.path.realpath(dest))
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise UsageError(
            f"SOURCE {term_safe(str(folder), 300)} and DEST {term_safe(str(dest), 300)} lie in each other: "
            "choose a DEST beside it"
        )


@asynccontextmanager
async def open_lock_places(
    lockfile: Path, options: Options, environ: Mapping[str, str]
) -> AsyncIterator[tuple[Http, Elsewhere | None]]:
    """The client that asks for the files of a lockfile, and what the place of `--from` lists, all of it.

    Raises as `open_source` does; a listing that breaks off is told by a warning.
    """
    if options.from_source is None:
        async with open_http(location_of(lockfile, environ, options), options, environ) as http:
            yield http, None
        return
    from ..sources.items.lockfile.elsewhere import Elsewhere

    there, deadline = replace(options, from_source=None), Deadline(options.max_duration)
    async with open_source(options.from_source, there, environ, deadline) as (source, http, _, _):
        found = Elsewhere(source)

        async def note(entries: Sequence[Entry]) -> None:
            found.note([one for one in entries if isinstance(one, Item | Collection)])

        try:
            await source.list(note)
        except CatalogError as error:
            warnings.warn(f"the listing broke off: {error.message}", stacklevel=2)
        yield http, found


async def browse_source(
    source: Given,
    options: Options,
    environ: Mapping[str, str],
    emit: EmitLevel,
    datasets: DatasetFilter | None = None,
) -> None:
    """Emit one level of the catalogue that a SOURCE means; see `sources.browse`."""
    from ..sources.browse import ALL_DATASETS, browse

    location = location_of(source, environ, options)
    async with open_http(location, options, environ) as http:
        with workspace() as room:
            chosen = datasets or ALL_DATASETS
            await browse(location, http, options.selection, emit, options.allow_origins, room, chosen)


@asynccontextmanager
async def open_http(
    location: SourceLocation,
    options: Options,
    environ: Mapping[str, str],
    limits: OriginLimits | None = None,
) -> AsyncIterator[Http]:
    """The HTTP client for a source at one location. It is closed at the end. `limits`: None: its own."""
    base = location.credentials_url
    named = ([base] if base else []) + [user_url(one, "--allow-origin") for one in options.allow_origins]
    named += [one for one in set(store_endpoints(options, environ)) if one]

    addresses = AddressPolicy(allow_private=options.allow_private, local_root=location.folder is not None)
    for url in named:
        addresses.name(url)
    # Credentials first: where they cannot be used, there is no transport yet that would have to be closed.
    # A header or a key that was given replaces what netrc and schemes have: it comes later.
    logins = [_netrc_logins(environ, named)] if options.netrc else []
    reader = TokenReader()
    declared = DeclaredSchemes(base)
    context = _signing_context(location, options, environ, addresses, reader, declared)
    signers = SignerSet(
        _signers(base, options, environ, declared),
        before=_signers_before_schemes(location, logins),
        schemes=RunSchemes(context, options.auth),
    )
    suspends = SuspendDetector()
    web, lanes = _web_transport(options, addresses, suspends)
    transports: dict[str, Transport] = {"http": web, "https": web, "file": FileTransport(location.admits)}
    http = Http(
        transports,
        limits or origin_limits(options),
        signers=signers,
        logins=SignerSet(logins),
        retry=Retry(options.retry, suspended_lately=suspends.lately, max_requested_wait=options.max_outage),
        addresses=addresses,
        watchdog=Watchdog(options.timeout, options.min_speed, suspends),
        advice="" if options.proxy is not None else _unused_proxy_advice(environ),
    )
    http.lanes, http.on_schemes, http.trusted = lanes, declared.learn, context.trusted
    reader.http = http
    try:
        with suspends.watching():
            yield http
    finally:
        await http.close()


class TokenReader:
    """Reads what signers need through the HTTP client, which is made after them."""

    http: Http

    async def read(self, request: Request) -> Document:
        return await self.http.read(request._replace(confidential=True))


def _signing_context(
    location: SourceLocation,
    options: Options,
    environ: Mapping[str, str],
    addresses: AddressPolicy,
    reader: ReadDocuments,
    declared: DeclaredSchemes,
) -> SigningContext:
    base = location.credentials_url
    named = [base] if base else []
    named += [user_url(one, "--allow-origin") for one in options.allow_origins]
    return SigningContext(
        environ,
        reader,
        given=frozenset(),
        source=origin(base) if base else None,
        endpoints=store_endpoints(options, environ),
        request_payer=options.request_payer == "requester",
        name_address=addresses.name,
        clock=time.time,
        trusted=frozenset(map(origin, named)),
        declared=declared.schemes,
        token_file=options.token_file or "",
    )


def _netrc_logins(environ: Mapping[str, str], named: list[str]) -> Signer:
    from ..http.auth.netrc import netrc_credentials, netrc_path

    path = netrc_path(environ)
    return StaticSigner(partial(netrc_credentials, path, named), str(path))


def _web_transport(
    options: Options, addresses: AddressPolicy, suspends: SuspendDetector
) -> tuple[Transport, Lanes]:
    """The fast transport and its lanes, except where the general one is asked for or needed: for a proxy.

    The other one is there for servers that the first cannot read. A proxy resolves names itself: the only
    address that is seen here is its own.
    """
    proxy = None
    if options.proxy is not None:
        from ..http.transport.proxy import proxy_of

        proxy = proxy_of(options.proxy)
    if proxy is not None and options.transport == "fast":
        raise UsageError("--transport fast cannot use a --proxy; leave one of them out")
    common: CommonArguments = {
        "user_agent": f"mlhub_async/{__version__}",
        "connect_timeout": options.connect_timeout,
        "idle_timeout": options.timeout,
        "check": addresses.check if proxy is None else lambda *_: None,
        "tls": _tls_context(options.ca_file),
    }

    def fast() -> FastTransport:
        return FastTransport(**common, suspends=suspends)

    def general() -> Transport:
        from ..http.transport.tls import usable_key_log

        with usable_key_log():
            from ..http.transport.aiohttp import AiohttpTransport  # an import of 0.1 s

        return AiohttpTransport(**common, proxy=proxy)

    if proxy is not None:
        return general(), lambda _: None
    if options.transport == "aiohttp":
        return FallbackTransport(general(), fast), lambda _: None
    first = fast()
    transport = FallbackTransport(first, general, first.lane)
    return transport, transport.lane


def _unused_proxy_advice(environ: Mapping[str, str]) -> str:
    if not any(name.lower().endswith("_proxy") for name in environ):
        return ""
    from ..http.transport.proxy import unused_proxy_advice

    return unused_proxy_advice(environ)


def _tls_context(ca_file: str | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    from ..http.transport.tls import default_context

    try:
        return default_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--ca-file {ca_file}: {error.strerror or error}") from None


def _signers_before_schemes(location: SourceLocation, logins: list[Signer]) -> Iterator[Signer]:
    yield from logins
    base = location.credentials_url
    if base and location.shared_access:
        from ..http.auth.signers.shared_access import SharedAccessSigner

        yield SharedAccessSigner(base, location.shared_access)


def _signers(
    base: str | None, options: Options, environ: Mapping[str, str], declared: DeclaredSchemes
) -> Iterator[Signer]:
    yield StaticSigner(partial(header_credentials, options.headers, base), "-H")
    yield StaticSigner(partial(_key_credentials, base, options, environ), "the key of MLHub", declared.place)


def _key_credentials(base: str | None, options: Options, environ: Mapping[str, str]) -> list[Credential]:
    """A key of the options goes to SOURCE's origin, one of the environment to MLHub's only."""
    home = mlhub_root(environ)
    given = options.api_key or options.api_token or options.profile
    try:
        key = mlhub_credential(
            base if given and base else home,
            api_key=options.api_key,
            api_token=options.api_token,
            profile=options.profile,
            environ=environ,
        )
    except UsageError:
        if given or base == parse(home):
            raise
        return []  # a broken profiles file does not matter to a source that is not MLHub
    return [key] if key is not None else []
