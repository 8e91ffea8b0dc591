"""A file on a server as pyarrow reads files: in a thread, by ranges that the event loop asks for."""

from __future__ import annotations

import asyncio
import io

from ....core.errors import TransferError
from ...items.streams import RawReader
from ..archives.ranges import ArchiveBytes

LEAST_BYTES = 64 << 10
"""The least that is asked for: what is next to a few bytes is wanted too."""


class RemoteFile(io.RawIOBase):
    """Made in the event loop by `opened`, read in a thread."""

    def __init__(self, bytes_of: ArchiveBytes, reader: RawReader) -> None:
        super().__init__()
        self._bytes = bytes_of
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._at = 0
        self._known = (0, b"")
        """the last bytes that came, and where they begin"""
        self.first = b""
        """the first bytes of the file"""
        self.failure: TransferError | None = None

    @classmethod
    async def opened(cls, url: str, reader: RawReader) -> RemoteFile:
        """Raises what the reader raises, and `RangesRefused`."""
        file = cls(ArchiveBytes(url, "Parquet file"), reader)
        file.first = await file._range(0, LEAST_BYTES)
        file._known = (0, file.first)
        return file

    async def _range(self, first: int, end: int) -> bytes:
        return await self._reader.retry(lambda: self._bytes.read(self._reader.get, first, end))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._bytes.total}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._bytes.total if size < 0 else min(self._at + size, self._bytes.total)
        if end <= self._at:
            return b""
        begin, data = self._known
        if not begin <= self._at <= end <= begin + len(data):
            begin = self._at
            data = self._fetched(begin, max(end, min(begin + LEAST_BYTES, self._bytes.total)))
            self._known = begin, data
        piece = data[self._at - begin : end - begin]
        self._at = end
        return piece

    def _fetched(self, first: int, end: int) -> bytes:
        asked = asyncio.run_coroutine_threadsafe(self._range(first, end), self._loop)
        try:
            return asked.result()
        except TransferError as error:
            self.failure = error
            raise OSError(error.message) from error
