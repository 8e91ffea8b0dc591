"""The transport for `file:` URLs: streams the assets of a local catalogue by aiofiles."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from ...core import pattern_on_use
from ...core.concurrency import wait_until_idle
from ...core.errors import TransferError
from ...core.model import Head, Request
from ...core.urls import redacted, to_path
from ..status import FORBIDDEN, NOT_FOUND, NOT_MODIFIED, OK, PARTIAL_CONTENT, refused

if TYPE_CHECKING:
    from aiofiles.threadpool.binary import AsyncFileIO

    from ...core.ports import Sink

T = TypeVar("T")
PIECE_BYTES = 1 << 20
_encoded_always = pattern_on_use("(?:%(?:2[02]|3[CE]|5[CE]|60|7[B-D]|[89A-F][0-9A-F]))+", re.IGNORECASE)
"""Encoded characters that a URL must not contain literally, whichever program wrote it."""
_range = pattern_on_use(r"bytes=([0-9]{1,18})-([0-9]{1,18})?")


class FileTransport:
    """Reads regular files that `admits` allows. See `ports.Transport`. Symbolic links are resolved first.

    `admits` None: no local file may be read, as for every catalogue that was fetched by HTTP.
    """

    def __init__(self, admits: Callable[[Path], bool] | None) -> None:
        self._admits = admits

    async def send(self, request: Request, sink: Sink) -> None:
        try:
            async with self._opened(request.url) as file:
                status = os.fstat(file.fileno())
                if request.headers.get("if-none-match") == _etag(status):
                    sink.start(Head(NOT_MODIFIED, {"etag": _etag(status)}, request.url))
                    return
                start, end = _span(request, status.st_size)
                if start:
                    await _completed(file.seek(start))
                sink.start(_head(request.url, status, start, end))
                left = end - start if end < status.st_size else sys.maxsize
                while left and (data := await _completed(file.read(min(left, PIECE_BYTES)))):
                    left -= len(data)
                    if (busy := sink.write(data)) is not None:
                        await busy
        except FileNotFoundError:
            raise _absent(request.url) from None
        except PermissionError:
            raise refused(FORBIDDEN, f"{redacted(request.url)}: not readable") from None
        except OSError as error:
            raise TransferError(f"{redacted(request.url)}: {error.strerror}", kind="path") from None

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[AsyncFileIO]:
        """The file, without a buffer. It is closed at the end, also when its opening was cancelled."""
        import aiofiles  # with all that it imports it takes long, and few runs need it

        opening = asyncio.ensure_future(aiofiles.open(url, "rb", buffering=0, opener=self._open).__aenter__())
        try:
            yield await _completed(opening)
        finally:
            if opening.exception() is None:
                await _completed(opening.result().close())

    def _open(self, url: str, flags: int) -> int:
        """The descriptor of an admitted file. Called in a thread, as links are followed on slow disks too."""
        return os.open(self._admitted(url), flags)

    def _admitted(self, url: str) -> Path:
        """The path of a URL. Raises `TransferError` where it must not be read, or is no regular file."""
        if self._admits is None:
            raise TransferError(
                f"{redacted(url)}: a local file, which a remote catalogue may not refer to",
                kind="outside-root",
            )
        path = to_path(url).resolve()
        if not self._admits(path):
            raise TransferError(
                f"{redacted(url)}: outside the catalogue's own folder; "
                "put both under one catalog.json, and give that as SOURCE",
                kind="outside-root",
            )
        for found in (path, _as_written(url, path.anchor).resolve()):
            if self._admits(found) and found.is_file():
                return found
        raise _absent(url)

    async def close(self) -> None:
        """Nothing is kept open."""


async def _completed(operation: Awaitable[T]) -> T:
    """The result of an operation on a file, which is carried out in a thread.

    A cancellation is raised when the thread has ended: it goes on, and the file must not be closed under it.
    """
    running = asyncio.ensure_future(operation)
    try:
        await wait_until_idle(lambda: () if running.done() else (running,))
    except asyncio.CancelledError:
        running.exception()  # its own failure does not matter any more
        raise
    return running.result()


def _absent(url: str) -> TransferError:
    return refused(NOT_FOUND, f"{redacted(url)}: no such file")


def _span(request: Request, size: int) -> tuple[int, int]:
    """The requested range, from its first byte to before its end; all without one, or for one beyond the
    end."""
    asked = _range.fullmatch(request.headers.get("range", ""))
    start = int(asked[1]) if asked else 0
    end = int(asked[2]) + 1 if asked and asked[2] else size
    return (start, min(end, size)) if start < min(end, size) else (0, size)


def _as_written(url: str, anchor: str) -> Path:
    """The path of a URL whose names contain a literal "%": pystac, and so a mirror, does not encode it.

    For each name the first form that exists is taken: decoded, decoded only where encoding is mandatory, or
    unchanged.
    """
    path = Path(anchor)
    for name in url.removeprefix("file://").partition("?")[0].split("/"):
        partly = _encoded_always.sub(lambda found: unquote(found[0]), name)
        readings = (unquote(name).lstrip("/"), partly, name)
        path = next((path / one for one in readings if (path / one).exists()), path / name)
    return path


def _etag(status: os.stat_result) -> str:
    return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


def _head(url: str, status: os.stat_result, start: int, end: int) -> Head:
    from email.utils import formatdate

    headers = {
        "content-length": str(end - start),
        "etag": _etag(status),
        "last-modified": formatdate(status.st_mtime, usegmt=True),
    }
    is_part = start > 0 or end < status.st_size
    if is_part:
        headers["content-range"] = f"bytes {start}-{end - 1}/{status.st_size}"
    return Head(PARTIAL_CONTENT if is_part else OK, headers, url)
