"""gzip: unpacked to nowhere, which compares its own sum, as far as that is worth it."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from .reader import Broken, Enough, Reader, verdict

_PIECE = 64 << 10
_UNPACKED = 1 << 20
_MOST = 256 << 20
"""Bytes that are unpacked at most: a bomb costs a second."""


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
    """Member by member; what comes behind the last one is no business of the format."""
    packed = _Packed(reader)
    while packed.begins():
        packed.member()


class _Packed:
    """The file, taken from its front to its end."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._place = 0
        self._data = b""
        self._left = _MOST

    def begins(self) -> bool:
        self._refill()
        if len(self._data) < 2:
            self._data += self._reader.some(self._place, 1)
            self._place += 1
        return self._data.startswith(b"\x1f\x8b")

    def _refill(self) -> None:
        if not self._data:
            self._data = self._reader.some(self._place, _PIECE)
            self._place += len(self._data)

    def _count(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise Enough

    def member(self) -> None:
        unpack = zlib.decompressobj(wbits=31)
        while not unpack.eof:
            self._refill()
            try:
                unpacked = len(unpack.decompress(self._data, _UNPACKED))
            except zlib.error as error:
                raise Broken(f"it cannot be unpacked ({error})") from None
            if not (self._data or unpacked or unpack.eof):
                raise Broken("it ends in the middle of what is packed")
            self._count(unpacked)
            self._data = unpack.unconsumed_tail
        self._data = unpack.unused_data
        self._count(len(self._data))
