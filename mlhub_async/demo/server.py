"""Starts and stops the sample catalogue: two origins on loopback in the event loop of the caller."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..core.errors import UsageError
from .api import Api, json_errors, require_key
from .config import PREFIX, DemoConfig, Site
from .documents import Documents
from .faults import inject_faults
from .sample import LABELS, Sample
from .storage.archives import ARCHIVE_SET, LABELS_TAR, LABELS_ZIP, Archives
from .storage.listings import BUCKET, DATA_SET, Listings
from .storage.objects import BASE, Storage
from .tokens import DownloadTokens


@asynccontextmanager
async def serve(config: DemoConfig | None = None) -> AsyncIterator[Site]:
    """Run the sample catalogue until the end of the block, which closes open connections.

    Raises `UsageError` if a port cannot be bound.
    """
    config = config or DemoConfig()
    with (
        closing(_bind(config.host, config.port)) as api_socket,
        closing(_bind(config.host, config.storage_port)) as storage_socket,
    ):
        root = f"{_origin(config.host, api_socket)}{PREFIX}"
        site = Site(root, storage=_origin(config.host, storage_socket), key=config.key)
        async with AsyncExitStack() as stack:
            await _start(stack, _storage_application(config, site), storage_socket)
            await _start(stack, _api_application(config, site), api_socket)
            yield site


async def run_forever(config: DemoConfig, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` gets lines: the address, the variables to set, commands."""
    async with serve(config) as site:
        announce(f"the sample catalogue runs at {site.root} (assets at {site.storage})")
        announce(f"export MLHUB_ROOT_URL={site.root} MLHUB_API_KEY={site.key}")
        announce(f"mlhub-async mirror mlhub data -c {LABELS}")
        announce(f"mlhub-async mirror s3://{BUCKET}/landcovernet/labels data --endpoint-url {site.storage}")
        announce(f"HF_ENDPOINT={site.storage} mlhub-async mirror hf://datasets/{DATA_SET} data")
        opened = f"mirror hf://datasets/{ARCHIVE_SET} --open-archives data"
        announce(f"mlhub-async mirror {site.storage}{LABELS_ZIP} data")
        announce(f"mlhub-async mirror {site.storage}{LABELS_TAR} data")
        announce(f"HF_ENDPOINT={site.storage} mlhub-async {opened}")
        await asyncio.Event().wait()


def _api_application(config: DemoConfig, site: Site) -> web.Application:
    sample, tokens = Sample(config.items, config.dates), DownloadTokens(f"demo:{config.seed}".encode())
    api = Api(config, site, sample, Documents(sample, site.root, tokens.issue), tokens)
    return _application([inject_faults(config, site), json_errors, require_key(config.key)], api.routes())


def _storage_application(config: DemoConfig, site: Site) -> web.Application:
    sample = Sample(config.items, config.dates)
    storage = Storage(sample, site)
    routes = [web.get(BASE + "{path:.+}", storage.serve, name="storage"), *Listings(sample, site).routes()]
    routes += Archives(sample).routes()
    return _application([inject_faults(config, site)], routes)


def _application(middlewares: list[Middleware], routes: list[web.RouteDef]) -> web.Application:
    application = web.Application(middlewares=middlewares)
    application.add_routes(routes)
    return application


async def _start(stack: AsyncExitStack, application: web.Application, listener: socket.socket) -> None:
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, listener).start()


def _bind(host: str, port: int) -> socket.socket:
    """Both sockets are bound before the servers start: the documents of one origin name the other's port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UsageError(f"cannot listen on {host} port {port}: {error.strerror}") from None


def _origin(host: str, listener: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"
