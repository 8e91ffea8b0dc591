"""Reads numbers of a FlatBuffers table, as headers of FlatGeobuf and messages of Arrow are."""

from __future__ import annotations

import struct

from .reader import IntrinsicFlawError


class Table:
    """The root table of a buffer. Its bytes are untrusted."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        (self._begin,) = self._unpack("<I", 0)
        (back,) = self._unpack("<i", self._begin)
        self._fields = self._begin - back
        (self._size,) = self._unpack("<H", self._fields)

    def number(self, field: int, width: int, default: int = 0) -> int:
        """The unsigned number in a field, of so many bytes; `default` where the field is left out."""
        at = 4 + 2 * field
        if at + 2 > self._size:
            return default
        (offset,) = self._unpack("<H", self._fields + at)
        if not offset:
            return default
        (value,) = self._unpack({1: "<B", 2: "<H", 4: "<I", 8: "<Q"}[width], self._begin + offset)
        return value

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        try:
            if offset < 0:
                raise IntrinsicFlawError("its header is damaged")
            return struct.unpack_from(layout, self._data, offset)
        except struct.error:
            raise IntrinsicFlawError("its header is damaged") from None
