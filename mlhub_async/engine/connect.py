"""Makes the source that a SOURCE means, the HTTP client that reads it and the store of DEST, from `Options`.

In this order: the time limit, the store, the source, the HTTP client, its transport, its credentials.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from .. import __version__
from ..core.errors import LimitReached, UsageError
from ..core.options import Options
from ..core.ports import Lanes, Signer, Source, Transport
from ..core.urls import StoreEndpoints, parse
from ..http.auth.credentials import Credential, header_credentials, mlhub_credential
from ..http.auth.signer_set import SignerSet
from ..http.auth.signers.static import StaticSigner
from ..http.client import Http
from ..http.resilience.circuit_breaker import DEFAULT_OUTAGE_POLICY, OutagePolicy
from ..http.resilience.concurrency import FIRST_LIMIT, MAX_LIMIT
from ..http.resilience.gate import OriginLimits
from ..http.resilience.rate_limit import RateLimiter
from ..http.resilience.retry import Retry
from ..http.resilience.suspend import SuspendDetector
from ..http.ssrf import AddressPolicy
from ..http.transport.failures import AddressCheck
from ..http.transport.fallback import FallbackTransport
from ..http.transport.fast.transport import FastTransport
from ..http.transport.file import FileTransport
from ..http.transport.proxy import proxy_of, unused_proxy_advice
from ..http.watchdog import Watchdog
from ..sources.files.archives.workspace import workspace
from ..sources.linked.directory_source import DirectorySource
from ..sources.linked.failures import FirstTime
from ..sources.recognise import Given, Services, SourceLocation, locate, recognise, user_url
from ..storage.layout import UNPACKED_DIR
from ..storage.local.disk_space import DiskSpace
from ..storage.local.store import LocalStore

if TYPE_CHECKING:
    from ..sources.browse import EmitLevel

MLHUB_ROOT = "https://api.radiant.earth/mlhub/v1"
HUB = "https://huggingface.co"


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


def store_at(dest: Path, options: Options, space: DiskSpace | None = None) -> LocalStore:
    """The store for DEST, not opened. Without `space` it does not wait when the disk is full."""
    return LocalStore(dest, durability=options.durability, space=space)


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


@asynccontextmanager
async def open_source(
    source: Given,
    options: Options,
    environ: Mapping[str, str],
    deadline: Deadline,
    first_time: FirstTime | None = None,
    state: Path | None = None,
) -> AsyncIterator[OpenedSource]:
    """The source that a SOURCE means. Its HTTP client is closed at the end.

    `state` is the folder for what a source keeps for later runs; None: nothing stays. `first_time` is told
    the URLs of linked items and returns those that are new to this run. Raises `UsageError`, `SourceError`,
    `CatalogError` (run again), or `LimitReached`.
    """
    location = location_of(source, environ, options)
    kept = None if state is None else state / UNPACKED_DIR
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
                )
            with_files = DirectorySource(found, http, options.selection, location.admits)
            yield OpenedSource(with_files, http, location.catalogue_folder)


async def browse_source(source: Given, options: Options, environ: Mapping[str, str], emit: EmitLevel) -> None:
    """Emit one level of the catalogue that a SOURCE means; see `sources.browse`."""
    from ..sources.browse import browse

    location = location_of(source, environ, options)
    async with open_http(location, options, environ) as http:
        with workspace() as room:
            await browse(location, http, options.selection, emit, options.allow_origins, room)


def location_of(source: Given, environ: Mapping[str, str], options: Options | None = None) -> SourceLocation:
    """Where a SOURCE is. Raises as `locate` does."""
    hub = environ.get("HF_ENDPOINT") or HUB
    endpoints = store_endpoints(options, environ)
    location = locate(source, mlhub_root(environ), Services(endpoints, hub, partial(_hub_token, environ)))
    return replace(location, endpoints=endpoints) if any(endpoints) else location


def _hub_token(environ: Mapping[str, str]) -> str:
    from ..http.auth.hub_token import hub_token

    return hub_token(environ)


def store_endpoints(options: Options | None, environ: Mapping[str, str]) -> StoreEndpoints:
    """Where object stores are: at `--endpoint-url`, or of S3 where the variables of AWS tools say so."""
    if options is not None and options.endpoint_url:
        given = user_url(options.endpoint_url, "--endpoint-url").rstrip("/")
        return StoreEndpoints(given, given, given)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if environ.get(name):
            return StoreEndpoints(user_url(environ[name], name).rstrip("/"))
    return StoreEndpoints()


def mlhub_root(environ: Mapping[str, str]) -> str:
    """The root URL of the MLHub API, as MLHUB_ROOT_URL has it."""
    return environ.get("MLHUB_ROOT_URL") or MLHUB_ROOT


@asynccontextmanager
async def open_http(
    location: SourceLocation, options: Options, environ: Mapping[str, str]
) -> AsyncIterator[Http]:
    """The HTTP client for a source at one location. It is closed at the end."""
    base = location.credentials_url
    named = ([base] if base else []) + [user_url(one, "--allow-origin") for one in options.allow_origins]
    named += [one for one in set(store_endpoints(options, environ)) if one]

    addresses = AddressPolicy(allow_private=options.allow_private, local_root=location.folder is not None)
    for url in named:
        addresses.name(url)
    suspends = SuspendDetector()
    web, lanes = _web_transport(options, addresses, suspends)
    transports: dict[str, Transport] = {"http": web, "https": web, "file": FileTransport(location.admits)}
    # A header or a key that was given replaces what netrc has: it comes later.
    logins = [_netrc_logins(environ, named)] if options.netrc else []
    http = Http(
        transports,
        _origin_limits(options),
        signers=SignerSet([*logins, *_signers(location, options, environ)]),
        logins=SignerSet(logins),
        retry=Retry(options.retry, suspended_lately=suspends.lately, max_requested_wait=options.max_outage),
        addresses=addresses,
        watchdog=Watchdog(options.timeout, options.min_speed, suspends),
        advice="" if options.proxy is not None else unused_proxy_advice(environ),
    )
    http.lanes = lanes
    try:
        with suspends.watching():
            yield http
    finally:
        await http.close()


def _netrc_logins(environ: Mapping[str, str], named: list[str]) -> Signer:
    from ..http.auth.netrc import netrc_credentials, netrc_path

    return StaticSigner(partial(netrc_credentials, netrc_path(environ), named))


def _origin_limits(options: Options) -> OriginLimits:
    retry = options.retry
    return OriginLimits(
        options.max_per_host or options.concurrency or MAX_LIMIT,
        first=FIRST_LIMIT if options.concurrency is None else None,
        rate_limiter=RateLimiter(options.tpslimit, options.bwlimit, options.max_transfer),
        # A probe of a host that is away takes the part of a retry: the policy for retries holds for it.
        outage_policy=OutagePolicy(
            retry.attempts - 1,
            options.max_outage,
            DEFAULT_OUTAGE_POLICY.max_first_pause * retry.base,
            retry.base,
        ),
    )


def _web_transport(
    options: Options, addresses: AddressPolicy, suspends: SuspendDetector
) -> tuple[Transport, Lanes]:
    """The fast transport and its lanes, except where the general one is asked for or needed: for a proxy.

    The other one is there for servers that the first cannot read. A proxy resolves names itself: the only
    address that is seen here is its own.
    """
    proxy = None if options.proxy is None else proxy_of(options.proxy)
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


def _tls_context(ca_file: str | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    from ..http.transport.tls import default_context

    try:
        return default_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--ca-file {ca_file}: {error.strerror or error}") from None


def _signers(location: SourceLocation, options: Options, environ: Mapping[str, str]) -> Iterator[Signer]:
    base = location.credentials_url
    if base and location.shared_access:
        from ..http.auth.signers.shared_access import SharedAccessSigner

        yield SharedAccessSigner(base, location.shared_access)
    if base and location.place is not None and location.place.token:
        from ..http.auth.hub_token import hub_credential

        yield StaticSigner(partial(hub_credential, base, location.place.token))
    yield StaticSigner(partial(header_credentials, options.headers, base))
    yield StaticSigner(partial(_key_credentials, base, options, environ))


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
