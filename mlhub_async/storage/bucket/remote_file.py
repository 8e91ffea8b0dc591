"""An object as a file for reading, in a thread: its bytes are asked for by ranges."""

from __future__ import annotations

import io
from collections.abc import Callable

LEAST_BYTES = 64 << 10
"""The least that is asked for: what is next to a few bytes is wanted too."""


class RemoteFile(io.BytesIO):
    """`read` gives so many bytes from an offset on; it may raise."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size = size
        self._ask = read
        self._at = 0
        self._begin, self._data = 0, b""

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        if not self._begin <= self._at <= end <= self._begin + len(self._data):
            last = max(end, min(self._at + LEAST_BYTES, self._size))
            self._begin, self._data = self._at, self._ask(self._at, last - self._at)
        piece = self._data[self._at - self._begin : end - self._begin]
        self._at = end
        return piece
