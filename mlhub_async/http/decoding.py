"""Content codings taken off while the bytes come, never more at a time than the caller can take."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from ..core.errors import Corrupt, TransferError
from ..core.ports import Buffer

AS_STORED = {"accept": "*/*", "accept-encoding": "identity"}
"""Asks for a file's own bytes: those that digests and ranges speak of."""
CODINGS = ("gzip", "x-gzip", "deflate")
MAX_PIECE = 64 << 20
"""Decoded bytes that one received piece may unpack to; anything beyond is a bomb."""

STEP = 16 << 10
"""Bytes at a time in which further members are looked for: at the end of each one the rest is copied."""


class Decoder:
    """One body's gzip (RFC 1952, several members too) or deflate. Raises `zlib.error` for what is neither."""

    def __init__(self, coding: str) -> None:
        self._wbits = zlib.MAX_WBITS if coding == "deflate" else 16 + zlib.MAX_WBITS
        self._member = zlib.decompressobj(self._wbits)

    def feed(self, data: Buffer, limit: int) -> bytes:
        """The decoded bytes; one more than `limit` where there are more than that: give up then."""
        parts = [self._member.decompress(data, limit + 1)]
        size, rest = len(parts[0]), memoryview(self._member.unused_data)
        while rest and size <= limit:
            if self._member.eof:
                self._member = zlib.decompressobj(self._wbits)
            parts.append(self._member.decompress(rest[:STEP], limit + 1 - size))
            size += len(parts[-1])
            rest = rest[min(STEP, len(rest)) - len(self._member.unused_data) :]
        return b"".join(parts)

    @property
    def ended(self) -> bool:
        """Whether the last member is whole: a coding that breaks off is no end."""
        return self._member.eof


def coding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "").strip().lower()


def encoded(headers: Mapping[str, str]) -> bool:
    return coding(headers) not in ("", "identity")


def decoder_for(coding: str, path: str, name: str) -> Decoder | None:
    """A coding nobody asked for is taken off; but a .gz file labelled with it is that very file."""
    if path.endswith((".gz", ".tgz")):
        return None
    if coding in CODINGS:
        return Decoder(coding)
    raise TransferError(f"{name}: content encoding {coding[:20]!r} unknown", kind="encoding")


def unpacked(decoder: Decoder, data: Buffer, room: int | None, name: str) -> bytes:
    """The decoded bytes of a piece of the body `name`, which may hold `room` more where that is known."""
    try:
        decoded = decoder.feed(data, MAX_PIECE if room is None else min(room, MAX_PIECE))
    except zlib.error as error:
        raise Corrupt(f"{name}: broken compression ({error})", kind="decoding") from None
    if len(decoded) > MAX_PIECE:
        raise Corrupt(f"{name}: unpacks to more than anybody would send", kind="decoding")
    return decoded
