"""Starts and stops the server of a mirror in the event loop of the caller."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing

from aiohttp import web

from ....core.errors import UsageError
from ....core.urls import term_safe
from ....engine.verify.following import FollowedLedger
from ....storage.layout import CATALOG_FILE
from .application import application
from .config import DEFAULT_PORT, ServeConfig, url_host

STOP_SECONDS = 0.5
"""For responses that are under way when the server ends."""


@asynccontextmanager
async def serve(config: ServeConfig) -> AsyncIterator[str]:
    """Serve the mirror until the end of the block; gives its URL, without a slash at the end.

    Raises `UsageError` where there is no mirror, or no port to listen on, `StorageError` for a broken ledger.
    """
    with closing(FollowedLedger(config.dest)) as ledger, closing(_bind(config)) as listener:
        async with application(config, ledger) as app:
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=STOP_SECONDS)
            try:
                await runner.setup()
                await web.SockSite(runner, listener).start()
                yield f"http://{url_host(config.host)}:{listener.getsockname()[1]}"
            finally:
                await runner.cleanup()


async def run_forever(config: ServeConfig, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` gets lines: the address, and what to do with it."""
    async with serve(config) as url:
        for line in announcement(config, url):
            announce(line)
        await asyncio.Event().wait()


def announcement(config: ServeConfig, url: str) -> Iterator[str]:
    """What is served where, a warning if that is beyond this machine, and what to do with it."""
    yield f"{term_safe(config.dest, 300)} is at {url}/ ; Ctrl-C ends this"
    if not config.is_loopback:
        yield f"warning: every machine that can reach {term_safe(config.host)} can read it"
    yield f"STAC clients, QGIS: {url}/{CATALOG_FILE}"
    yield f"mlhub-async mirror {url}/{CATALOG_FILE} copy"


def _bind(config: ServeConfig) -> socket.socket:
    """The port that was asked for; without a wish the usual one, or any if another program has that."""
    if config.port is not None:
        return _listen(config.host, config.port)
    with contextlib.suppress(_PortInUse):
        return _listen(config.host, DEFAULT_PORT)
    return _listen(config.host, 0)


class _PortInUse(UsageError):
    """Another program listens there."""


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        kind = _PortInUse if error.errno == errno.EADDRINUSE else UsageError
        raise kind(f"cannot listen on {term_safe(host)} port {port}: {error.strerror or error}") from None
