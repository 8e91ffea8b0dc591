"""Middleware that delays responses and injects faults, the same ones for the same seed."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .config import DemoConfig, Site

_FAULTY_KINDS = frozenset({"items", "item", "search", "download", "storage"})
_MAX_FAULTS_IN_A_ROW = 3
_MAX_REMEMBERED_URLS = 10_000


def request_kind(request: web.Request) -> str:
    """What is requested, by the name of the route; a key of `Site.requests`."""
    return (request.match_info.route.name or "unknown").partition(":")[0]


@dataclass(slots=True)
class FaultInjector:
    """Counts every request, delays it, and lets a share of them fail."""

    config: DemoConfig
    site: Site
    count: int = 0
    streaks: dict[str, int] = field(default_factory=dict)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.site.requests[request_kind(request)] += 1
        if self.config.latency:
            await asyncio.sleep(self.config.latency)
        fault = self._choose_fault(request)
        if fault is None:
            return await handler(request)
        self.site.requests["fault"] += 1
        return await fault(request, handler)

    def _choose_fault(self, request: web.Request) -> Middleware | None:
        """The fault for this request, if any. Only URLs that failed last are remembered, to bound memory."""
        if not self.config.errors or request_kind(request) not in _FAULTY_KINDS:
            return None
        self.count += 1
        chance, url = random.Random(f"{self.config.seed}:{self.count}"), request.raw_path
        streak = self.streaks.pop(url, 0)
        if streak >= _MAX_FAULTS_IN_A_ROW or chance.random() >= self.config.errors:
            return None
        self.streaks[url] = streak + 1
        if len(self.streaks) > _MAX_REMEMBERED_URLS:
            del self.streaks[next(iter(self.streaks))]
        return chance.choice(_faults_for(request))


def inject_faults(config: DemoConfig, site: Site) -> Middleware:
    """The middleware for one application."""
    injector = FaultInjector(config, site)

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await injector.handle(request, handler)

    return handle


async def answer_503(request: web.Request, handler: Handler, retry_after: int = 0) -> web.StreamResponse:
    return web.json_response({"detail": "Busy."}, status=503, headers={"Retry-After": str(retry_after)})


async def answer_503_for_a_second(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await answer_503(request, handler, 1)


async def reset_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Close the connection with a TCP reset before any response."""
    if request.transport is not None:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()
    return web.Response()


async def truncate_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send the head and half of the body, then close the connection."""
    whole = await handler(request)
    if not isinstance(whole, web.Response) or not isinstance(whole.body, bytes):
        return whole
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(whole.body)
    await response.prepare(request)
    await response.write(whole.body[: len(whole.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _faults_for(request: web.Request) -> list[Middleware]:
    """Redirects and responses to HEAD have no body that could be truncated."""
    faults: list[Middleware] = [answer_503, answer_503_for_a_second, reset_connection]
    has_body = request.method != "HEAD" and request_kind(request) != "download"
    return [*faults, truncate_body] if has_body else faults
