"""What holds for every response: Host, methods, CORS, and headers against misuse in browsers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from ....core import pattern_on_use
from ....core.errors import MlhubError
from ....core.urls import term_safe
from .config import ServeConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
METHODS = "GET, HEAD, OPTIONS"
REQUEST_FIELDS = (
    "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Cache-Control, "
    "Content-Type, Accept-Language, Authorization"
)
EXPOSED_FIELDS = "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified, Repr-Digest"
_HOST = pattern_on_use(r"(\[[^\]]*\]|[^:\[\]]*)(?::\d{1,5})?", re.ASCII)


def check_host(config: ServeConfig) -> Middleware:
    """Refuses requests for other names while the server is on loopback: a page of the Web whose name was
    rebound to 127.0.0.1 (DNS rebinding) names itself there."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        if host is not None and config.is_loopback:
            found = _HOST.fullmatch(host.strip().lower())
            if found is None or found[1] not in config.names:
                return web.Response(status=421, text="This server answers to localhost only.\n")
        return await handler(request)

    return check


@web.middleware
async def only_reading(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers preflights, and refuses methods that are not for reading."""
    if request.method == "OPTIONS":
        return web.Response(status=204, headers=_preflight(request))
    if request.method not in ("GET", "HEAD"):
        return web.Response(status=405, headers={"Allow": METHODS}, text="This server only reads.\n")
    return await handler(request)


def _preflight(request: web.Request) -> dict[str, str]:
    headers = {
        "Allow": METHODS,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_FIELDS,
        "Access-Control-Max-Age": "86400",
    }
    if "Access-Control-Request-Private-Network" in request.headers:
        headers["Access-Control-Allow-Private-Network"] = "true"
    return headers


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line of text for what cannot be answered, without a traceback."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status, text=f"{error.reason}\n")
    except MlhubError as error:
        return web.Response(status=503, text=f"{term_safe(error.message, 500)}\n")
    except ConnectionError:
        return web.Response(status=500)  # nobody is there to read it
    except OSError as error:
        return web.Response(status=500, text=f"The disk says: {error.strerror or type(error).__name__}\n")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For every response, before its head is sent."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Access-Control-Allow-Origin", "*")
    response.headers.setdefault("Access-Control-Expose-Headers", EXPOSED_FIELDS)
    response.headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")
