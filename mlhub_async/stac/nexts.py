"""Hides the forms of `next`: how the request for the following page is made from a page's links."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from ..core import urls
from ..core.errors import CatalogError, TransferError
from ..core.model import JsonObject, Request
from .links import followed, links_of

SMALLEST_LIMIT = 10
JSON = {"Content-Type": "application/json"}

# What a paging token may travel in. Everything that names a host, a credential, a length, a hop or a
# sender is the client's own affair, whatever a page says.
_HEADER_ALLOWED = re.compile(
    r"accept|accept-language|prefer|continuation-token"
    r"|x-(?!forwarded|http-method|original|rewrite|real|api|auth|access|amz|ms-|goog|key|csrf)[a-z0-9-]{1,64}",
    re.IGNORECASE,
)
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")


def post(url: str, body: JsonObject, headers: Mapping[str, str] | None = None) -> Request:
    return Request(url=url, method="POST", headers={**(headers or {}), **JSON}, body=orjson.dumps(body))


def next_request(
    body: JsonObject, url: str, current: Request, first: Request, allowed: Collection[str]
) -> Request | None:
    """The request for the page after `current`, whose document `body` came from `url`; None at the end.

    Known forms: GET with token=, next=, page=, offset= or skip= in an absolute or relative href; POST
    with a whole body; POST with a part of it and `merge`; a body without a method. A link is followed as
    it is written, even where it drops `limit` or filters: the caller's own filter makes that right.
    """
    link = next(links_of(body, "next"), None)
    if link is None:
        return None
    headers = _headers(link, current if link.get("merge") is True else first)
    target = _target(link["href"], url, {str(urls.origin(first.url)), *allowed})
    given = link.get("body")
    method = link.get("method")
    if (str(method) if method else "POST" if given else "GET").upper() != "POST":
        return Request(url=target, headers={k: v for k, v in headers.items() if k not in JSON})
    return post(target, _merged(link, given, current), headers)


def _target(href: str, url: str, allowed: Collection[str]) -> str:
    try:
        return urls.without(followed(href, url, allowed), "key")
    except CatalogError as error:
        raise CatalogError(error.message, kind="cross-origin-next") from error
    except TransferError as error:
        raise CatalogError(
            f"the next link of {urls.redacted(url)}: {error.message}", kind="bad-next"
        ) from error


def _merged(link: JsonObject, given: Any, current: Request) -> JsonObject:
    """A link without a body means the same body: an empty one would ask for the whole catalogue."""
    asked = body_of(current)
    if not isinstance(given, dict):
        return asked
    return {**asked, **given} if link.get("merge") is True else given


def _headers(link: JsonObject, base: Request) -> dict[str, str]:
    given = link.get("headers")
    named = given.items() if isinstance(given, dict) else ()
    return {**base.headers, **{k: v for k, v in named if _admissible(k, v)}}


def _admissible(name: str, value: Any) -> bool:
    return bool(isinstance(value, str) and _HEADER_ALLOWED.fullmatch(name) and _HEADER_VALUE.fullmatch(value))


def body_of(request: Request) -> JsonObject:
    found = orjson.loads(request.body) if request.body else {}
    return found if isinstance(found, dict) else {}


def limit_of(request: Request) -> int | None:
    """The page size that this request asks for, if it does."""
    if request.body is not None:
        found = body_of(request).get("limit")
        return found if isinstance(found, int) else None
    for text in parse_qs(urlsplit(request.url).query).get("limit", ()):
        if text.isascii() and text.isdigit():
            return int(text[:9])
    return None


def with_limit(request: Request, limit: int | None) -> Request:
    """The same request for pages of another size; None: of the server's own."""
    if request.body is not None:
        body = {name: value for name, value in body_of(request).items() if name != "limit"}
        return post(request.url, body if limit is None else {**body, "limit": limit}, request.headers)
    if limit is None:
        return Request(urls.without(request.url, "limit"), headers=request.headers)
    return Request(urls.with_query(request.url, "limit", str(limit)), headers=request.headers)
