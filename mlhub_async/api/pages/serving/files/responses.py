"""Responses with the bytes of an opened file: whole, one range, or several as multipart/byteranges."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import Iterator, Mapping

from aiohttp import web

from . import conditions, ranges
from .media_types import is_active
from .opened import OpenedFile

CHUNK_BYTES = 1 << 20
"""Read at a time, in a thread."""
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""For documents of a catalogue that a browser would show as a page of this server."""

Part = bytes | range
"""Of a body: bytes as they are, or a range of the file."""


async def send_file(request: web.Request, opened: OpenedFile, media_type: str) -> web.StreamResponse:
    """Answer a GET or HEAD by this file, which is closed afterwards."""
    with opened.file:
        size = opened.state.size
        current = conditions.validators_of(opened.state, opened.sha256, conditions.now())
        headers = _headers(opened, current)
        status = conditions.refused_status(request.headers, current)
        if status is not None:
            return web.Response(status=status, headers=headers)
        if is_active(media_type):
            headers["Content-Security-Policy"] = SANDBOX
        spans = None
        if request.method == "GET" and conditions.range_applies(request.headers, current):
            spans = ranges.requested(request.headers.get("Range"), size)
        if spans == []:
            return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        return await _send(request, opened, media_type, headers, spans)


def _headers(opened: OpenedFile, current: conditions.Validators) -> dict[str, str]:
    headers = {
        "ETag": current.etag,
        "Last-Modified": conditions.http_date(current.modified),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
    }
    if opened.sha256:
        headers["Repr-Digest"] = digest_field(opened.sha256)
    return headers


def digest_field(sha256: str) -> str:
    """The value of Repr-Digest (RFC 9530): the digest of the whole file, also beside a part of it."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


async def _send(
    request: web.Request,
    opened: OpenedFile,
    media_type: str,
    headers: Mapping[str, str],
    spans: list[range] | None,
) -> web.StreamResponse:
    size = opened.state.size
    response = web.StreamResponse(status=206 if spans else 200, headers=headers)
    response.headers["Content-Type"] = media_type
    parts: list[Part] = [range(size)]
    if spans and len(spans) == 1:
        parts = [spans[0]]
        response.headers["Content-Range"] = ranges.content_range(spans[0], size)
    elif spans:
        boundary = secrets.token_hex(16)
        parts = list(_multipart(spans, size, media_type, boundary))
        response.headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
    response.content_length = sum(map(len, parts))
    await response.prepare(request)
    if request.method == "GET":
        await _write(request, response, opened, parts)
    if request.transport is not None:
        await response.write_eof()
    return response


def _multipart(spans: list[range], size: int, media_type: str, boundary: str) -> Iterator[Part]:
    for span in spans:
        content_range = ranges.content_range(span, size)
        head = f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range}\r\n\r\n"
        yield head.encode()
        yield span
    yield f"\r\n--{boundary}--\r\n".encode()


async def _write(
    request: web.Request, response: web.StreamResponse, opened: OpenedFile, parts: list[Part]
) -> None:
    for part in parts:
        if isinstance(part, bytes):
            await response.write(part)
            continue
        for start in range(part.start, part.stop, CHUNK_BYTES):
            count = min(CHUNK_BYTES, part.stop - start)
            data = await asyncio.to_thread(_read, opened, start, count)
            if len(data) < count:
                return _abort(request)
            await response.write(data)


def _abort(request: web.Request) -> None:
    """The file was shortened meanwhile: a client must not take what it got for the whole."""
    if request.transport is not None:
        request.transport.abort()


def _read(opened: OpenedFile, start: int, count: int) -> bytes:
    """Up to `count` bytes; fewer only at the end of the file. Without a common position where that can be."""
    data = bytearray()
    while len(data) < count:
        if hasattr(os, "pread"):
            more = os.pread(opened.file.fileno(), count - len(data), start + len(data))
        else:
            opened.file.seek(start + len(data))
            more = opened.file.read(count - len(data))
        if not more:
            break
        data += more
    return bytes(data)
