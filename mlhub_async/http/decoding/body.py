"""The content codings of a response, as its label and its first bytes say: the decoder for its body.

Servers write other things into Content-Encoding than codings: character sets, `binary`, `aws-chunked`. And
they label bodies wrongly. So a body is decoded as it begins; one that begins as a file of a known format or
as a text, and not as the coding does, has none.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ...core.errors import Corrupt, TransferError
from ...core.formats import kinds
from .decoders import (
    GZIP_BEGIN,
    ZSTD_BEGIN,
    ZSTD_SKIPPABLE_BEGIN,
    Decoder,
    DecodingError,
    Member,
    StoredBody,
    gzip_member,
    raw_deflate_member,
    zlib_member,
    zstd_member,
)

if TYPE_CHECKING:
    from ...core.ports import Buffer

AS_STORED = {"accept": "*/*", "accept-encoding": "identity"}
"""Request fields that ask for a file's own bytes, which its digests and ranges refer to."""
PAST_CACHES = {"cache-control": "no-cache"}
"""A request field that asks caches on the way to ask the origin (RFC 9111, section 5.2.1.4): what came from
one may be damaged, a part, or of the version before."""
AS_STORED_ENCODED = {"accept": "*/*", "accept-encoding": "gzip"}
"""The same of a server that decodes what it stores (`is_decoded_there`)."""
MAX_DECODED_PIECE_BYTES = 64 << 20
"""Bytes that one received piece may decode to. More is a decompression bomb."""
MAX_CODINGS = 3
RECOGNISED_BY_BYTES = 16
"""Bytes that tell whether a body is what it is labelled as, where it does not begin as its coding does."""

_CODINGS: dict[str, tuple[Callable[[], Member], tuple[str, ...]]] = {
    "gzip": (gzip_member, (".gz", ".tgz", ".svgz", ".bgz")),
    "deflate": (zlib_member, ()),
    "zstd": (zstd_member, (".zst", ".zstd", ".tzst")),
}
"""By coding: its decoder, and the suffixes of files that are so encoded themselves."""
_SAME_CODING = {"x-gzip": "gzip", "application/gzip": "gzip", "zlib": "deflate", "x-deflate": "deflate"}
_NO_CODING = frozenset(
    {
        "",
        "identity",
        "binary",
        "7bit",
        "8bit",
        "none",
        "null",
        "text",
        "plain",
        "raw",
        "chunked",
        "aws-chunked",
    }
)


def content_codings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The content codings of a body in the order in which they were applied; empty for a file's own bytes."""
    label = headers.get("content-encoding")
    if not label:
        return ()
    names = (part.partition(";")[0].strip().strip("\"'").lower() for part in label.split(","))
    return tuple(_SAME_CODING.get(name, name) for name in names if not _is_no_coding(name))


def _is_no_coding(name: str) -> bool:
    return name in _NO_CODING or name.startswith("charset") or _is_character_set(name)


def _is_character_set(name: str) -> bool:
    try:
        "".encode(name)  # a codec that is no text encoding, such as base64, is refused here
        return bool(codecs.lookup(name))
    except (LookupError, ValueError, UnicodeError):
        return False


def is_decoded_there(headers: Mapping[str, str]) -> bool:
    """Whether the server has decoded the file that it stores, whose digest and length it published, because
    its coding was not asked for. https://cloud.google.com/storage/docs/transcoding"""
    return headers.get("x-goog-stored-content-encoding", "").lower() == "gzip" and not content_codings(
        headers
    )


def is_encoded(headers: Mapping[str, str], path: str) -> bool:
    """Whether the body has a content coding, so that it is not the own bytes of the file at a path."""
    codings = content_codings(headers)
    return bool(codings) and not _is_its_own(codings, path)


def _is_its_own(codings: tuple[str, ...], path: str) -> bool:
    """Whether the coding is that of the file itself: servers label a .gz file as encoded by it, and send that
    very file (Apache with AddEncoding)."""
    known = _CODINGS.get(codings[0]) if len(codings) == 1 else None
    return known is not None and path.lower().endswith(known[1] or ("\0",))


def decoder_for(codings: tuple[str, ...], path: str, name: str) -> BodyDecoder | None:
    """The decoder for codings that were not asked for. None: the body is to stay as it is.

    Raises `TransferError` for an unknown coding; `name` is the file in its message.
    """
    for coding in codings:
        if coding not in _CODINGS:
            raise TransferError(f"{name}: content encoding {coding[:20]!r} unknown", kind="encoding")
    if len(codings) > MAX_CODINGS:
        raise TransferError(f"{name}: {len(codings)} content encodings at once", kind="encoding")
    return None if _is_its_own(codings, path) else BodyDecoder(codings)


class BodyDecoder:
    """Decodes a body with one or more content codings."""

    def __init__(self, codings: tuple[str, ...]) -> None:
        self._layers = [_Layer(coding) for coding in reversed(codings)]

    def feed(self, data: Buffer, limit: int) -> bytes:
        """The decoded bytes, at most `limit` and one more: then there are too many, and the rest is lost.

        Raises `DecodingError`.
        """
        for layer in self._layers[:-1]:
            data = layer.feed(data, MAX_DECODED_PIECE_BYTES)
            if len(data) > MAX_DECODED_PIECE_BYTES:
                raise DecodingError("too much in one piece")
        return self._layers[-1].feed(data, limit)

    @property
    def ended(self) -> bool:
        """Whether the encoded bytes are complete."""
        return all(layer.ended for layer in self._layers)

    @property
    def is_stored(self) -> bool:
        """Whether the body turned out to have no coding at all."""
        return all(isinstance(layer.decoder, StoredBody) for layer in self._layers)


class _Layer:
    """One coding of a body, chosen by the label and the first bytes."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._first = b""
        self.decoder: Decoder | StoredBody | None = None

    def feed(self, data: Buffer, limit: int) -> bytes:
        if self.decoder is None:
            data = self._first = self._first + bytes(data)
            self.decoder = _chosen(self._coding, data)
            if self.decoder is None:
                return b""
            self._first = b""
        return self.decoder.feed(data, limit)

    @property
    def ended(self) -> bool:
        return self.decoder is not None and self.decoder.ended


def _chosen(coding: str, first: bytes) -> Decoder | StoredBody | None:
    """The decoder for a body that begins so. None: more bytes are needed."""
    if first.startswith(GZIP_BEGIN):
        return Decoder(gzip_member)
    if first.startswith((ZSTD_BEGIN, *ZSTD_SKIPPABLE_BEGIN)):
        return Decoder(zstd_member)
    if coding == "deflate" and _begins_as_zlib(first):
        return Decoder(zlib_member)
    if len(first) < RECOGNISED_BY_BYTES:
        return None
    if coding == "deflate" and _begins_as_raw_deflate(first):
        return Decoder(raw_deflate_member)
    if _is_file(first):
        return StoredBody()
    if coding == "gzip" and first.startswith((b"x\x01", b"x\x9c", b"x\xda")):
        return Decoder(zlib_member)
    return Decoder(_CODINGS[coding][0])


def _begins_as_zlib(first: bytes) -> bool:
    """Whether this is a header of RFC 1950. What is labelled deflate often has none: it is RFC 1951."""
    return len(first) >= 2 and first[0] & 0x8F == 0x08 and (first[0] << 8 | first[1]) % 31 == 0


def _begins_as_raw_deflate(first: bytes) -> bool:
    try:
        raw_deflate_member().decompress(first, MAX_DECODED_PIECE_BYTES)
    except zlib.error:
        return False
    return True


def _is_file(first: bytes) -> bool:
    """Whether this begins a file of a known format that is not compressed so, or a text."""
    if kinds.recognised(first) not in (None, kinds.GZIP) or kinds.is_other(first):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first[:256])
    except UnicodeDecodeError:
        return False
    return not any(byte < 32 and byte not in b"\t\n\f\r" for byte in first[:256])


def decode_piece(decoder: BodyDecoder, data: Buffer, room: int | None, name: str) -> bytes:
    """The decoded bytes of one piece of the body `name`. Raises `Corrupt` for a bomb or broken data.

    `room`: bytes that the body may still have; a result of more than that is cut one byte after it. None:
    not known.
    """
    limit = MAX_DECODED_PIECE_BYTES if room is None else min(room, MAX_DECODED_PIECE_BYTES)
    try:
        decoded = decoder.feed(data, limit)
    except DecodingError as error:
        raise Corrupt(f"{name}: broken compression ({error})", kind="decoding") from None
    if len(decoded) > MAX_DECODED_PIECE_BYTES:
        raise Corrupt(f"{name}: unpacks to more than {limit >> 20} MiB at once", kind="decoding")
    return decoded
