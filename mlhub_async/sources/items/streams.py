"""The bytes of a local file, of an HTTP response or of standard input, read block by block (aiofiles)."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...core import urls
from ...core.errors import SourceError, TransferError
from ...core.model import Head, Request
from ...core.ports import Reader, Sink
from ...http.resilience.retry import Retry
from ..access import unreadable

if TYPE_CHECKING:
    from ...core.ports.members import Members

BLOCK_BYTES = 1 << 18
Blocks = AsyncGenerator[bytes, None]
"""To be closed by its user (`contextlib.aclosing`): that closes the file or the pipe."""


class RawReader(Reader, Protocol):
    """A `Reader` that also reads what is not one JSON document, and the members of archives.

    `get` makes one attempt, `retry` repeats one; see `http.client.Http`.
    """

    @property
    def retry(self) -> Retry: ...

    async def get(self, request: Request, sink: Sink) -> Head: ...

    def mount(self, prefix: str, members: Members) -> None: ...

    async def read_bytes(self, request: Request) -> tuple[bytes, str]:
        """The whole body, and the URL that it finally came from. Raises as `Reader.read` does."""
        ...


async def read_file(path: Path | int) -> Blocks:
    """A local file, or the file of an open descriptor, which stays open. Raises `SourceError`."""
    import aiofiles  # with all that it imports it takes long, and few runs need it

    try:
        async with aiofiles.open(path, "rb", closefd=isinstance(path, Path)) as file:
            while block := await file.read(BLOCK_BYTES):
                yield block
    except OSError as error:
        shown = urls.term_safe(str(path), 300) if isinstance(path, Path) else "standard input"
        raise SourceError(f"{shown} cannot be read: {error.strerror}") from error


async def read_remote(reader: RawReader, url: str) -> Blocks:
    """A response, whole: one that broke off can only be read again from its beginning."""
    try:
        body, _ = await reader.read_bytes(Request(url))
    except TransferError as error:
        raise unreadable(error, url) from error
    yield body


async def read_stdin() -> Blocks:
    """Standard input.

    Of a pipe, a socket or a terminal the event loop waits for the next bytes: a thread that waits in
    read() could not be cancelled. A file or /dev/null never makes anybody wait, and no loop can wait for
    it (uvloop would abort the process): it is read as a file.
    """
    descriptor = sys.stdin.fileno()
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
        async for block in read_file(descriptor):
            yield block
        return
    stream = asyncio.StreamReader(limit=BLOCK_BYTES)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin)
    try:
        while block := await stream.read(BLOCK_BYTES):
            yield block
    finally:
        pipe.close()
