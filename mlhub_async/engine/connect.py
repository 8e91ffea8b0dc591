"""What a SOURCE means, and the network it is read through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.errors import LimitReached, TransferError, UsageError
from ..core.options import Options
from ..core.ports import Source, Transport
from ..core.urls import origin, parse, redacted, to_path
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
from ..sources.recognise import of_python_objects, recognise
from ..sources.source_links import FirstTime

Given = str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]
"""A SOURCE of the command line, or STAC items: dicts or objects with `to_dict`, pystac's for example."""

STORES = ("s3://", "az://", "gs://")
MLHUB_ROOT = "https://api.radiant.earth/mlhub/v1"


def root_of(source: Given) -> str:
    """The folder that a local SOURCE is read from; "" for one on the network, or of objects."""
    root = local_root(os.fspath(source)) if isinstance(source, str | os.PathLike) else None
    return str(root.resolve()) if root is not None else ""


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
) -> AsyncIterator[tuple[Source, Http]]:
    """The source that a SOURCE means, and the network it is read through, which is closed at the end."""
    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    word = source if isinstance(source, str) else "-"
    async with network(word, options, environ) as http:
        asked: dict[str, Any] = {"allow_origins": options.allow_origins, "first_time": first_time}
        if not isinstance(source, str):
            yield of_python_objects(source, http, options.selection, **asked), http
            return
        async with deadline.kept():
            found = await recognise(
                source,
                http,
                options.selection,
                mlhub_root=mlhub_root(environ),
                **asked,
            )
        yield found, http


def mlhub_root(environ: Mapping[str, str]) -> str:
    return environ.get("MLHUB_ROOT_URL") or MLHUB_ROOT


def local_root(source: str) -> Path | None:
    """The folder that a local SOURCE may read from: its own; None for one on the network."""
    if source == "-":
        return Path.cwd()
    if source.lower().startswith("file:"):
        path = to_path(_usable(source))
    elif "://" in source or source == "mlhub":
        return None
    else:
        path = Path(source)
    return path if os.path.isdir(path) else path.parent


def _root_of(source: str, environ: Mapping[str, str]) -> str:
    if source == "mlhub":
        return _usable(mlhub_root(environ), "MLHUB_ROOT_URL")
    return _usable(source)


def _usable(url: str, what: str = "SOURCE") -> str:
    """A URL that the user gave, or what is wrong with it as the mistake in the command that it is."""
    if "://" not in url and not url.lower().startswith("file:"):
        raise UsageError(f"{what} {redacted(url)}: write it as an address, with https://")
    if url.lower().startswith(STORES):
        raise UsageError(
            f"{what} {redacted(url)}: object stores cannot be listed yet; give its https:// catalogue"
        )
    try:
        parsed = parse(url)
        origin(parsed)
    except TransferError as error:
        why = error.message.removeprefix("the href ")
        raise UsageError(
            f"{what} {why}" if redacted(url) in why else f"{what} {redacted(url)} {why}"
        ) from None
    return parsed


@asynccontextmanager
async def network(source: str, options: Options, environ: Mapping[str, str]) -> AsyncIterator[Http]:
    """An `Http` for one source, closed at the end. `source` is the word that the user gave."""
    root = local_root(source)
    base = None if root is not None else _root_of(source, environ)
    named = ([base] if base else []) + [_usable(one, "--allow-origin") for one in options.allow_origins]

    def found() -> list[Credential]:
        return [*_from_netrc(named, options, environ), *_credentials(base, options, environ)]

    credentials = Credentials(found(), found)
    reach = AddressPolicy(allow_private=options.allow_private, local_root=root is not None)
    for one in named:
        reach.name(one)
    web, awake = _web(options, reach), SuspendDetector()
    transports: dict[str, Transport] = {"http": web, "https": web, "file": FileTransport(root)}
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
