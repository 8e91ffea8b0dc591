"""A ZIP on a server without ranges: it is kept on the disk during the run, as its directory is at its end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO

from .....core.ports import Buffer, Send
from .....core.urls import redacted
from .....storage.os_errors import storage_error
from ....items.streams import RawReader
from ..addresses import ArchiveFile
from ..ranges import Take
from ..stream import ArchiveStream, PublishedBytes
from ..workspace import Workspace

PIECE_BYTES = 1 << 20
_NAME = "archive.zip"


class SpooledBytes:
    """The bytes of an archive that was kept on the disk; read as those of `ArchiveBytes`."""

    def __init__(self, where: str, file: BinaryIO) -> None:
        self.where = where
        self.total = file.seek(0, 2)
        self._file = file
        self._reading = asyncio.Lock()

    async def read(self, send: Send, first: int, end: int) -> bytes:
        async with self._reading:
            try:
                return await asyncio.to_thread(self._read, first, min(end, self.total))
            except OSError as error:
                raise storage_error(error, _NAME) from error

    async def stream(self, send: Send, first: int, end: int, take: Take) -> None:
        for at in range(first, min(end, self.total), PIECE_BYTES):
            if (busy := take(await self.read(send, at, min(at + PIECE_BYTES, end)))) is not None:
                await busy

    def _read(self, first: int, end: int) -> bytes:
        self._file.seek(first)
        return self._file.read(max(end - first, 0))


async def spooled(archive: ArchiveFile, reader: RawReader, workspace: Workspace) -> SpooledBytes:
    """Fetch the whole archive, by one request and with retries. The file is removed with the workspace.

    Raises what the reader raises, `Corrupt` for bytes that are not the published ones, and `StorageError`.
    """
    try:
        path, file = _made(workspace)
    except OSError as error:
        raise storage_error(error, _NAME) from error
    workspace.on_close(lambda _: _remove(file, path))

    def take(data: Buffer) -> None:
        try:
            file.write(data)
        except OSError as error:
            raise storage_error(error, _NAME) from error

    async def fetch() -> None:
        file.seek(0)
        file.truncate()
        await ArchiveStream(archive).read(reader, checked.taking(take))
        checked.check()

    checked = PublishedBytes(archive)
    await checked.read_twice_if_wrong(fetch)
    return SpooledBytes(redacted(archive.url), file)


def _made(workspace: Workspace) -> tuple[Path, BinaryIO]:
    path = workspace.folder / _NAME
    return path, open(path, "wb+")


def _remove(file: BinaryIO, path: Path) -> None:
    file.close()
    path.unlink(missing_ok=True)
