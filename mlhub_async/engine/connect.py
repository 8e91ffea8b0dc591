"""The source that a SOURCE means, and the HTTP client that it is read by, put together from `Options`."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from .. import __version__
from ..core.errors import LimitReached, UsageError
from ..core.options import Options
from ..core.ports import Source, Transport
from ..core.urls import parse
from ..http.auth.credentials import Credential, Credentials, header_credentials, mlhub_credential
from ..http.auth.netrc import netrc_credentials, netrc_path
from ..http.client import Http
from ..http.resilience.circuit_breaker import PATIENT, Outage
from ..http.resilience.concurrency import FIRST_LIMIT, MAX_LIMIT
from ..http.resilience.gate import OriginLimits
from ..http.resilience.rate_limit import RateLimiter
from ..http.resilience.retry import Retry, SuspendDetector
from ..http.ssrf import AddressPolicy
from ..http.transport.fast.transport import FastTransport
from ..http.transport.file import FileTransport
from ..http.transport.proxy import proxy_of
from ..sources.browse import EmitLevel, browse
from ..sources.recognise import Given, SourceLocation, locate, recognise, user_url
from ..sources.source_links import FirstTime

MLHUB_ROOT = "https://api.radiant.earth/mlhub/v1"


class OpenedSource(NamedTuple):
    """A source, and the HTTP client that it is read by."""

    source: Source
    http: Http
    folder: str
    """the absolute folder of a local catalogue; "" for one on the network or of Python objects"""


class Deadline:
    """When --max-duration is over, counted from now on. None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._when = None if seconds is None else asyncio.get_running_loop().time() + seconds

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Raises `LimitReached` in what is still going on then."""
        over = asyncio.timeout_at(self._when)
        try:
            async with over:
                yield
        except TimeoutError:
            if not over.expired():
                raise
            raise LimitReached("--max-duration is over; run again to go on where this stopped") from None


@contextlib.asynccontextmanager
async def opened(
    source: Given,
    options: Options,
    environ: Mapping[str, str],
    deadline: Deadline,
    first_time: FirstTime | None = None,
) -> AsyncIterator[OpenedSource]:
    """The source that a SOURCE means; its HTTP client is closed at the end."""
    location = location_of(source, environ)
    async with network(location, options, environ) as http:
        async with deadline.kept():
            found = await recognise(
                location,
                http,
                options.selection,
                allow_origins=options.allow_origins,
                first_time=first_time,
            )
        yield OpenedSource(found, http, location.catalogue_folder)


async def browse_source(source: Given, options: Options, environ: Mapping[str, str], emit: EmitLevel) -> None:
    """Emit one level of the catalogue that a SOURCE means; see `sources.browse`."""
    location = location_of(source, environ)
    async with network(location, options, environ) as http:
        await browse(location, http, options.selection, emit, options.allow_origins)


def location_of(source: Given, environ: Mapping[str, str]) -> SourceLocation:
    """Where a SOURCE is. Raises as `locate` does."""
    return locate(source, mlhub_root(environ))


def mlhub_root(environ: Mapping[str, str]) -> str:
    return environ.get("MLHUB_ROOT_URL") or MLHUB_ROOT


@asynccontextmanager
async def network(
    location: SourceLocation, options: Options, environ: Mapping[str, str]
) -> AsyncIterator[Http]:
    """An `Http` for the source at one location, closed at the end."""
    base = location.credentials_url
    named = ([base] if base else []) + [user_url(one, "--allow-origin") for one in options.allow_origins]

    def found() -> list[Credential]:
        return [*_from_netrc(named, options, environ), *_credentials(base, options, environ)]

    credentials = Credentials(found(), found)
    reach = AddressPolicy(allow_private=options.allow_private, local_root=location.folder is not None)
    for one in named:
        reach.name(one)
    web, awake = _web(options, reach), SuspendDetector()
    transports: dict[str, Transport] = {"http": web, "https": web, "file": FileTransport(location.folder)}
    limits = OriginLimits(
        options.max_per_host or options.concurrency or MAX_LIMIT,
        first=FIRST_LIMIT if options.concurrency is None else None,
        budget=RateLimiter(options.tpslimit, options.bwlimit, options.max_transfer),
        outage=_outage(options),
    )
    http = Http(
        transports,
        limits,
        credentials=credentials,
        retry=Retry(options.retry, asleep=awake.lately, patience=options.max_outage),
        reach=reach,
        timeout=options.timeout,
        min_speed=options.min_speed,
    )
    try:
        with awake.watching():
            yield http
    finally:
        await http.close()


def _web(options: Options, reach: AddressPolicy) -> Transport:
    """The fast transport wherever nothing needs the other one, as a proxy does.

    With a proxy it is the proxy that looks names up: the only address we see is its own.
    """
    agent, tls = f"mlhub_async/{__version__}", _tls(options.ca_file)
    if options.transport != "aiohttp" and options.proxy is None:
        return FastTransport(
            user_agent=agent,
            connect_timeout=options.connect_timeout,
            idle_timeout=options.timeout,
            check=reach.check,
            tls=tls,
        )
    if options.transport == "fast":
        raise UsageError("--transport fast cannot ask through a --proxy; leave one of them out")
    from ..http.transport.aiohttp import AiohttpTransport  # noqa: PLC0415 - an import of 0.1 s

    proxy = None if options.proxy is None else proxy_of(options.proxy)
    return AiohttpTransport(
        user_agent=agent,
        connect_timeout=options.connect_timeout,
        idle_timeout=options.timeout,
        check=reach.check if proxy is None else lambda *_: None,
        tls=tls,
        proxy=proxy,
    )


def _from_netrc(named: Sequence[str], options: Options, environ: Mapping[str, str]) -> list[Credential]:
    """First of all, so that a header or key that was given takes its place."""
    return netrc_credentials(netrc_path(environ), named) if options.netrc else []


def _outage(options: Options) -> Outage:
    """A probe is to a host what a retry is to an asset."""
    base = options.retry.base
    return Outage(options.retry.attempts - 1, options.max_outage, PATIENT.pause * base, base)


def _credentials(base: str | None, options: Options, environ: Mapping[str, str]) -> list[Credential]:
    """What the user gave goes to SOURCE's origin (`base`, None for a local one); what lies in the
    environment only to MLHub's own."""
    home = mlhub_root(environ)
    given = options.api_key or options.api_token or options.profile
    found = list(header_credentials(options.headers, base)) if base else []
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
        return found  # a profile that is not there is no matter of this source
    return [*found, key] if key is not None else found


def _tls(ca_file: str | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--ca-file {ca_file}: {error.strerror or error}") from None
