"""Trouble on purpose: waits and faults in front of a handler, the same ones for the same seed."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .config import DemoConfig, Site

_PRONE = frozenset({"items", "item", "search", "download", "storage"})
_IN_A_ROW = 3


def kind_of(request: web.Request) -> str:
    """What a request asks for, as `Site.requests` counts it."""
    return (request.match_info.route.name or "unknown").partition(":")[0]


@dataclass(slots=True)
class Trouble:
    """Counts every request, delays it, and spoils a share of the answers."""

    config: DemoConfig
    site: Site
    met: int = 0
    streaks: dict[str, int] = field(default_factory=dict)

    async def meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.site.requests[kind_of(request)] += 1
        if self.config.latency:
            await asyncio.sleep(self.config.latency)
        fault = self._fault(request)
        if fault is None:
            return await handler(request)
        self.site.requests["fault"] += 1
        return await fault(request, handler)

    def _fault(self, request: web.Request) -> Middleware | None:
        """Which fault this request meets. Only URLs in a streak are remembered, so memory stays small."""
        if not self.config.errors or kind_of(request) not in _PRONE:
            return None
        self.met += 1
        chance, url = random.Random(f"{self.config.seed}:{self.met}"), request.raw_path
        streak = self.streaks.pop(url, 0)
        if streak >= _IN_A_ROW or chance.random() >= self.config.errors:
            return None
        self.streaks[url] = streak + 1
        if len(self.streaks) > 10_000:
            del self.streaks[next(iter(self.streaks))]
        return chance.choice(_faults(request))


def troubled(config: DemoConfig, site: Site) -> Middleware:
    """Middleware for one application."""
    trouble = Trouble(config, site)

    @web.middleware
    async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await trouble.meet(request, handler)

    return meet


async def busy(request: web.Request, handler: Handler, wait: int = 0) -> web.StreamResponse:
    return web.json_response({"detail": "Busy."}, status=503, headers={"Retry-After": str(wait)})


async def busy_for_a_second(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await busy(request, handler, 1)


async def reset(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Drops the connection with a TCP reset before any answer."""
    if request.transport is not None:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()
    return web.Response()


async def cut(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers, and closes the connection in the middle of the body."""
    whole = await handler(request)
    if not isinstance(whole, web.Response) or not isinstance(whole.body, bytes):
        return whole
    half = web.StreamResponse(status=whole.status, headers=whole.headers)
    half.content_length = len(whole.body)
    await half.prepare(request)
    await half.write(whole.body[: len(whole.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def _faults(request: web.Request) -> list[Middleware]:
    """A redirect and the answer to HEAD have no body to cut."""
    plain: list[Middleware] = [busy, busy_for_a_second, reset]
    return plain if request.method == "HEAD" or kind_of(request) == "download" else [*plain, cut]
