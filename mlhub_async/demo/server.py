"""Starts and stops the demo: two loopback origins in the caller's loop, nothing left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..core.errors import UsageError
from .api import Api, explained, keyed
from .config import PREFIX, DemoConfig, Site
from .documents import Documents
from .faults import troubled
from .sample import LABELS, Sample
from .storage import BASE, Storage
from .tokens import Mint


@asynccontextmanager
async def serve(config: DemoConfig | None = None) -> AsyncIterator[Site]:
    """Run the demo while the context lasts. On exit open connections are dropped."""
    config = config or DemoConfig()
    with (
        closing(_bound(config.host, config.port)) as front,
        closing(_bound(config.host, config.storage_port)) as back,
    ):
        site = Site(
            root=f"{_origin(config.host, front)}{PREFIX}", storage=_origin(config.host, back), key=config.key
        )
        async with AsyncExitStack() as stack:
            await _started(stack, _storage(config, site), back)
            await _started(stack, _api(config, site), front)
            yield site


async def run_forever(config: DemoConfig, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` gets a few lines that tell how to use what is running."""
    async with serve(config) as site:
        announce(f"MLHub look-alike at {site.root} (assets at {site.storage})")
        announce(f"export MLHUB_ROOT_URL={site.root} MLHUB_API_KEY={site.key}")
        announce(f"mlhub-async mirror mlhub data -c {LABELS}")
        await asyncio.Event().wait()


def _api(config: DemoConfig, site: Site) -> web.Application:
    content, mint = Sample(config.items, config.dates), Mint(f"demo:{config.seed}".encode())
    api = Api(config, site, content, Documents(content, site.root, mint.token), mint)
    return _application([troubled(config, site), explained, keyed(config.key)], api.routes())


def _storage(config: DemoConfig, site: Site) -> web.Application:
    storage = Storage(Sample(config.items, config.dates), site)
    return _application(
        [troubled(config, site)], [web.get(BASE + "{path:.+}", storage.serve, name="storage")]
    )


def _application(middlewares: list[Middleware], routes: list[web.RouteDef]) -> web.Application:
    application = web.Application(middlewares=middlewares)
    application.add_routes(routes)
    return application


async def _started(stack: AsyncExitStack, application: web.Application, listener: socket.socket) -> None:
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, listener).start()


def _bound(host: str, port: int) -> socket.socket:
    """Bound before anything runs, because each origin's documents name the other's address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UsageError(f"the demo cannot listen on {host} port {port}: {error.strerror}") from None


def _origin(host: str, listener: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"
