"""One hop to a local file: the transport for `file:` hrefs of a catalogue that lies on this machine."""

from __future__ import annotations

import asyncio
import os
import re
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote

from ...core.errors import TransferError
from ...core.model import Head, Request
from ...core.ports import Sink
from ...core.urls import redacted, to_path
from ..status import FORBIDDEN, NOT_FOUND, OK, PARTIAL_CONTENT, refused

PIECE = 1 << 20
_NEVER_LEGAL = re.compile("(?:%(?:2[02]|3[CE]|5[CE]|60|7[B-D]|[89A-F][0-9A-F]))+", re.IGNORECASE)
"""Characters that no href may have as they are: they come encoded, whoever wrote it."""
_RANGE = re.compile(r"bytes=([0-9]{1,18})-")


class FileTransport:
    """Reads regular files below `root`, links followed before the check; everything else is refused.

    `root` None: no local file may be read at all, the rule for every catalogue that came by network.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root is not None else None

    async def send(self, request: Request, sink: Sink) -> None:
        try:
            path = await asyncio.to_thread(self._admitted, request.url)
            with path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                start = self._start(request, status.st_size)
                file.seek(start)
                sink.start(_head(request.url, status, start))
                while data := await asyncio.to_thread(file.read, PIECE):
                    if (busy := sink.write(data)) is not None:
                        await busy
        except FileNotFoundError:
            raise _absent(request.url) from None
        except PermissionError:
            raise refused(FORBIDDEN, f"{redacted(request.url)}: not readable") from None
        except OSError as error:
            raise TransferError(f"{redacted(request.url)}: {error.strerror}", kind="path") from None

    def _admitted(self, url: str) -> Path:
        if self._root is None:
            raise TransferError(
                f"{redacted(url)}: a local file, which no catalogue of the network may name",
                kind="outside-root",
            )
        path = to_path(url).resolve()
        if not path.is_relative_to(self._root):
            raise TransferError(
                f"{redacted(url)}: outside the catalogue's own folder; give one above both as SOURCE",
                kind="outside-root",
            )
        for found in (path, _as_written(url, path.anchor).resolve()):
            if found.is_relative_to(self._root) and found.is_file():
                return found
        raise _absent(url)

    @staticmethod
    def _start(request: Request, size: int) -> int:
        asked = _RANGE.fullmatch(request.headers.get("range", ""))
        start = int(asked.group(1)) if asked else 0
        return start if start < size else 0

    async def close(self) -> None:
        pass


def _as_written(url: str, anchor: str) -> Path:
    """pystac, and so our own mirrors, write names with "%" into a href as they stand: what is not there
    decoded may be there undecoded, name by name, or but for what we had to encode ourselves.
    """
    path = Path(anchor)
    for name in url.removeprefix("file://").partition("?")[0].split("/"):
        readings = (unquote(name).lstrip("/"), _NEVER_LEGAL.sub(lambda found: unquote(found[0]), name), name)
        path = next((path / one for one in readings if (path / one).exists()), path / name)
    return path


def _head(url: str, status: os.stat_result, start: int) -> Head:
    headers = {
        "content-length": str(status.st_size - start),
        "etag": f'"{status.st_mtime_ns:x}-{status.st_size:x}"',
        "last-modified": formatdate(status.st_mtime, usegmt=True),
    }
    if start:
        headers["content-range"] = f"bytes {start}-{status.st_size - 1}/{status.st_size}"
    return Head(PARTIAL_CONTENT if start else OK, headers, url)


def _absent(url: str) -> TransferError:
    return refused(NOT_FOUND, f"{redacted(url)}: no such file")
