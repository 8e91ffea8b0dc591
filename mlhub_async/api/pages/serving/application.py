"""The addresses of a served mirror: its files at their paths, all else below /.mlhub/."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from ....engine.verify.following import FollowedLedger
from ....storage.layout import ERRORS_FILE, RECEIPT_FILE, in_state
from ..previews.service import Previews
from .browsing import addresses
from .browsing.catalogue import Catalogue
from .browsing.handlers import MirrorPages
from .browsing.views import Views
from .config import ServeConfig
from .files.handlers import MirrorFiles
from .guard import add_headers, check_host, only_reading, plain_errors

PUBLIC_STATE = (RECEIPT_FILE, ERRORS_FILE)
"""What is served of the state directory as it is."""


@asynccontextmanager
async def application(config: ServeConfig, ledger: FollowedLedger) -> AsyncIterator[web.Application]:
    """The application, until the end of the block. Raises `UsageError` where there is no mirror."""
    catalogue = Catalogue(config.dest, ledger)
    previews = Previews(config.dest)
    files, pages = MirrorFiles(config.dest, ledger), MirrorPages(Views(catalogue), previews)
    try:
        await pages.start()
        app = web.Application(middlewares=[check_host(config), only_reading, plain_errors])
        app.on_response_prepare.append(add_headers)
        app.add_routes(
            [
                web.get("/", pages.front),
                web.get(addresses.BROWSE, pages.browse),
                web.get(addresses.PREVIEW, pages.preview),
                web.get(addresses.MANIFEST, files.manifest),
                web.get(addresses.LOOKUP, files.lookup),
                web.get(addresses.BY_DIGEST, files.by_digest),
                *[web.get(addresses.file_address(in_state(name)), files.state_file) for name in PUBLIC_STATE],
                web.get("/favicon.ico", _no_icon),
                web.get("/{path:.*}", files.file),
            ]
        )
        yield app
    finally:
        await pages.close()
        await asyncio.to_thread(previews.close)


async def _no_icon(request: web.Request) -> web.Response:
    """What browsers ask for beside a picture or a document; the pages have none."""
    return web.Response(status=204, headers={"Cache-Control": "max-age=86400"})
