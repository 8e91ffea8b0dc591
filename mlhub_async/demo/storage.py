"""The second origin: object storage that serves bytes, ranges and validators, and wants no credential."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from . import objects, sample
from .config import Site

BASE = "/mlhub/"
_WRITTEN = "Wed, 02 Dec 2020 03:41:49 GMT"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Storage:
    """Answers for the bytes of a sample."""

    content: sample.Sample
    site: Site

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self._watch(request)
        found = objects.stored(self.content, request.match_info["path"])
        if found is None:
            return web.Response(status=404, text="The specified blob does not exist.")
        return answer(found, request.headers)

    def _watch(self, request: web.Request) -> None:
        """Notes a request that brought a credential along."""
        brought = [
            name for name in ("Authorization", "Cookie", "Proxy-Authorization") if name in request.headers
        ]
        if "key" in request.query:
            brought.append("key in the query")
        if self.site.key in request.raw_path or any(self.site.key in v for v in request.headers.values()):
            brought.append("the API key")
        if brought:
            self.site.leaks.append(f"{request.method} {request.path}: {', '.join(brought)}")


def answer(found: objects.Stored, headers: Mapping[str, str]) -> web.Response:
    """The response to a request with these headers. Conditions first, then the range, as HTTP orders them."""
    etag, total = f'"{found.md5.hex()}"', len(found.body)
    base = {"ETag": etag, "Last-Modified": _WRITTEN, "Accept-Ranges": "bytes"}
    if "If-Match" in headers and not _lists(headers["If-Match"], etag):
        return web.Response(status=412)
    if _unchanged(headers, etag):
        return web.Response(status=304, headers=base)
    base["Content-Type"] = found.media_type
    span = _span(headers, etag, total)
    if span is None:
        digest = base64.b64encode(found.md5).decode("ascii")
        return web.Response(body=found.body, headers={**base, "Content-MD5": digest})
    if not span:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
    base["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{total}"
    return web.Response(status=206, body=found.body[span.start : span.stop], headers=base)


def _lists(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in (tag.strip() for tag in condition.split(","))


def _unchanged(headers: Mapping[str, str], etag: str) -> bool:
    if "If-None-Match" in headers:
        return _lists(headers["If-None-Match"].replace("W/", ""), etag)
    return headers.get("If-Modified-Since") == _WRITTEN


def _span(headers: Mapping[str, str], etag: str, total: int) -> range | None:
    """The bytes asked for: None for all of them, an empty range for none that exist."""
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    if match is None or match[0] == "bytes=-" or headers.get("If-Range", etag) not in (etag, _WRITTEN):
        return None
    if not match[1]:
        return range(max(0, total - int(match[2])), total)
    first, last = int(match[1]), int(match[2] or total - 1)
    if match[2] and last < first:
        return None
    return range(first, min(last + 1, total))
