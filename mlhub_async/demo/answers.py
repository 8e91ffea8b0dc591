"""How the API answers: JSON bodies, gzip when asked, errors as `{"detail": ...}`, the key check."""

from __future__ import annotations

import gzip
import hmac
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .faults import kind_of

_KEYED = frozenset({"items", "item", "search"})


def written(request: web.Request, document: Any, media_type: str = "application/json") -> web.Response:
    body, headers = orjson.dumps(document), {"Vary": "Accept-Encoding", "Content-Type": media_type}
    if len(body) > 1000 and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def detail(status: int, message: str) -> web.Response:
    return web.json_response({"detail": message}, status=status)


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Unknown paths and methods get a JSON body too."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return detail(error.status, error.reason)


def keyed(key: str) -> Middleware:
    """Middleware that asks listings and items for the key, as query parameter or Bearer token."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if kind_of(request) not in _KEYED:
            return await handler(request)
        given = [*request.query.getall("key", []), *_bearer(request)]
        if not given:
            return detail(401, "Must provide API key or Bearer token to access this route.")
        if not any(hmac.compare_digest(each.encode(), key.encode()) for each in given):
            return detail(401, "Could not identify user from API key or Authentication header.")
        return await handler(request)

    return check


def _bearer(request: web.Request) -> list[str]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return [token.strip()] if scheme.lower() == "bearer" else []
