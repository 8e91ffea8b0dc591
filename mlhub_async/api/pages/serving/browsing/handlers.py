"""Request handlers for pages and pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from .....storage.ledger.lookups.browsing import CollectionRow
from ...previews.service import PicturePlan, Previews
from ...report_html import Link, report_html
from . import addresses
from .pictures import SIZE, SIZES, plan_of
from .refreshed import Refreshed
from .views import Views

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
REPORT_POLICY = POLICY.replace("style-src", "script-src 'unsafe-inline'; style-src")
START_SECONDS, REQUEST_SECONDS = 2.0, 0.02
"""How long the start, and a request, wait for the report of the state of now."""


class MirrorPages:
    """The handlers. To be started, which raises `UsageError` where there is no mirror, and closed."""

    def __init__(self, views: Views, previews: Previews) -> None:
        self._views = views
        self._catalogue = views.catalogue
        self._previews = previews
        self._rows: Refreshed[Sequence[CollectionRow]] = Refreshed(self._catalogue.collections, self._version)
        self._report: Refreshed[str] = Refreshed(self._make_report, self._version)

    async def start(self) -> None:
        await asyncio.to_thread(self._version)
        await self._rows.current(START_SECONDS)
        await self._collections(report_is_ready=False)  # compiles its template before the first request
        await self._report.current(START_SECONDS)

    async def close(self) -> None:
        await self._report.close()
        await self._rows.close()

    def _version(self) -> object:
        return self._catalogue.ledger.ask(lambda snapshot: self._catalogue.ledger.generation)

    def _make_report(self) -> str:
        links = [Link(addresses.BROWSE, "Browse items and pictures")]
        return report_html(self._catalogue.dest, links=links, collection_href=addresses.collection_address)

    async def front(self, request: web.Request) -> web.Response:
        """The report, or while it is being made for the first time the collections."""
        report = await self._report.current(REQUEST_SECONDS)
        if report is not None:
            return _page(report, REPORT_POLICY)
        return await self._collections(report_is_ready=False)

    async def _collections(self, *, report_is_ready: bool) -> web.Response:
        rows = await self._rows.current(REQUEST_SECONDS) or ()
        page = await asyncio.to_thread(self._views.collections, rows, report_is_ready=report_is_ready)
        return _page(page)

    async def browse(self, request: web.Request) -> web.Response:
        query = request.query
        if "collection" not in query:
            return await self._collections(report_is_ready=True)
        collection = query["collection"]
        if "item" in query:
            page = await asyncio.to_thread(self._views.item, collection, query["item"])
        else:
            place = next((name for name in ("after", "before", "from") if name in query), "from")
            page = await asyncio.to_thread(self._views.collection, collection, place, query.get(place, ""))
        if page is None:
            raise web.HTTPNotFound
        return _page(page)

    async def preview(self, request: web.Request) -> web.Response:
        plan = await asyncio.to_thread(self._plan, request)
        if plan is None:
            raise web.HTTPNotFound
        headers = {"ETag": plan.etag, "Cache-Control": "no-cache"}
        if plan.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        picture = await self._previews.picture(plan)
        headers["Content-Type"] = picture.media_type
        return web.Response(body=picture.body, headers=headers)

    def _plan(self, request: web.Request) -> PicturePlan | None:
        query = request.query
        size = next((one for one in SIZES if str(one) == query.get("size", str(SIZE))), None)
        if size is None or not {"collection", "item"} <= query.keys():
            raise web.HTTPBadRequest
        facts = self._catalogue.item(query["collection"], query["item"])
        return None if facts is None else plan_of(self._catalogue, facts, query.get("key"), size)


def _page(text: str, policy: str = POLICY) -> web.Response:
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)
