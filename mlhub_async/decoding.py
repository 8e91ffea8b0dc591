"""Content codings taken off while the bytes come, never more at a time than the caller can take."""

from __future__ import annotations

import zlib

from .ports import Buffer

CODINGS = ("gzip", "x-gzip", "deflate")


class Decoder:
    """One body's gzip (RFC 1952, several members too) or deflate. Raises `zlib.error` for what is neither."""

    def __init__(self, coding: str) -> None:
        self._wbits = zlib.MAX_WBITS if coding == "deflate" else 16 + zlib.MAX_WBITS
        self._member = zlib.decompressobj(self._wbits)

    def feed(self, data: Buffer, limit: int) -> bytes:
        """The decoded bytes; one more than `limit` where there are more than that: give up then."""
        parts = [self._member.decompress(data, limit + 1)]
        size = len(parts[0])
        while self._member.eof and self._member.unused_data and size <= limit:
            rest = self._member.unused_data
            self._member = zlib.decompressobj(self._wbits)
            parts.append(self._member.decompress(rest, limit + 1 - size))
            size += len(parts[-1])
        return b"".join(parts)

    @property
    def ended(self) -> bool:
        """Whether the last member is whole: a coding that breaks off is no end."""
        return self._member.eof
