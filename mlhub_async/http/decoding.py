"""Content codings (gzip, deflate): decoded while bytes arrive, never to more than the caller can take."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from ..core.errors import Corrupt, TransferError
from ..core.ports import Buffer

AS_STORED = {"accept": "*/*", "accept-encoding": "identity"}
"""Request fields that ask for a file's own bytes, which its digests and ranges refer to."""
CODINGS = ("gzip", "x-gzip", "deflate")
MAX_DECODED_PIECE_BYTES = 64 << 20
"""Bytes that one received piece may decode to. More is a decompression bomb."""
MEMBER_STEP_BYTES = 16 << 10
"""Bytes that are fed at a time behind the first gzip member: zlib copies the rest at the end of each one."""


class Decoder:
    """Decodes one body: gzip (RFC 1952, any number of members) or deflate. Raises `zlib.error`."""

    def __init__(self, coding: str) -> None:
        self._wbits = zlib.MAX_WBITS if coding == "deflate" else 16 + zlib.MAX_WBITS
        self._member = zlib.decompressobj(self._wbits)

    def feed(self, data: Buffer, limit: int) -> bytes:
        """The decoded bytes, at most `limit` and one more: then there are too many, and the rest is lost."""
        pieces = [self._member.decompress(data, limit + 1)]
        size, rest = len(pieces[0]), memoryview(self._member.unused_data)
        while rest and size <= limit:
            if self._member.eof:
                self._member = zlib.decompressobj(self._wbits)
            pieces.append(self._member.decompress(rest[:MEMBER_STEP_BYTES], limit + 1 - size))
            size += len(pieces[-1])
            rest = rest[min(MEMBER_STEP_BYTES, len(rest)) - len(self._member.unused_data) :]
        return b"".join(pieces)

    @property
    def ended(self) -> bool:
        """Whether the last member is complete."""
        return self._member.eof


def content_coding(headers: Mapping[str, str]) -> str:
    """The Content-Encoding in lower case, "" where there is none."""
    return headers.get("content-encoding", "").strip().lower()


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Whether the body has a content coding, so that it is not the file's own bytes."""
    return content_coding(headers) not in ("", "identity")


def decoder_for(coding: str, path: str, name: str) -> Decoder | None:
    """The decoder for a coding that was not asked for. None: the body is to stay as it is.

    That is so for a .gz file labelled as encoded: it is that very file. Raises `TransferError` for an unknown
    coding; `name` is the file in its message.
    """
    if path.endswith((".gz", ".tgz")):
        return None
    if coding in CODINGS:
        return Decoder(coding)
    raise TransferError(f"{name}: content encoding {coding[:20]!r} unknown", kind="encoding")


def decode_piece(decoder: Decoder, data: Buffer, room: int | None, name: str) -> bytes:
    """The decoded bytes of one piece of the body `name`. Raises `Corrupt` for a bomb or broken data.

    `room`: bytes that the body may still have; a result of more than that is cut one byte after it. None:
    not known.
    """
    limit = MAX_DECODED_PIECE_BYTES if room is None else min(room, MAX_DECODED_PIECE_BYTES)
    try:
        decoded = decoder.feed(data, limit)
    except zlib.error as error:
        raise Corrupt(f"{name}: broken compression ({error})", kind="decoding") from None
    if len(decoded) > MAX_DECODED_PIECE_BYTES:
        raise Corrupt(f"{name}: unpacks to more than {limit >> 20} MiB at once", kind="decoding")
    return decoded
