"""Decodes one content coding: gzip, deflate, zstd. All members or frames of a body, one after the other."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from ...core.errors import TransferError

if TYPE_CHECKING:
    from ...core.ports import Buffer

MEMBER_STEP_BYTES = 16 << 10
"""Bytes that are fed at a time behind the first member: zlib copies the rest at the end of each one."""
ZSTD_STEP_BYTES = 1 << 10
"""Bytes that are fed to zstandard at a time, which does not limit its output: at most 32 MiB for these."""
GZIP_BEGIN = b"\x1f\x8b\x08"
ZSTD_BEGIN = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE_BEGIN = tuple(bytes([byte]) + b"\x2a\x4d\x18" for byte in range(0x50, 0x60))


class DecodingError(Exception):
    """The encoded bytes are not valid."""


class Member(Protocol):
    """The decoder of one gzip member or zstd frame, with the interface of zlib's.

    That of zstd has no `unconsumed_tail`: what is beyond `max_length` is lost.
    """

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: Buffer, max_length: int, /) -> bytes: ...


class Decoder:
    """Decodes one body that consists of members of one coding. `new_member` makes the decoder of each, which
    raises `error` for bytes that are not valid."""

    def __init__(self, new_member: Callable[[], Member], error: type[Exception] = zlib.error) -> None:
        self._new_member = new_member
        self._errors = (error, ValueError)
        self._member = new_member()

    def feed(self, data: Buffer, limit: int) -> bytes:
        """The decoded bytes, at most `limit` and one more: then there are too many, and the rest is lost.

        Raises `DecodingError`. Zeros between members and at the end are padding.
        """
        pieces, size, rest, step = [], 0, self._begun(memoryview(data)), len(data)
        while rest and size <= limit:
            fed = rest[:step]
            pieces.append(self._decompress(fed, limit + 1 - size))
            size += len(pieces[-1])
            rest = self._begun(rest[len(fed) - len(self._member.unused_data) :])
            step = MEMBER_STEP_BYTES
        return b"".join(pieces)

    def pieces(self, data: Buffer, limit: int) -> Iterator[bytes]:
        """All decoded bytes, in pieces of at most `limit`. Raises `DecodingError`."""
        rest, step = self._begun(memoryview(data)), len(data)
        while rest:
            fed = rest[:step]
            left: Buffer = fed
            while left and not self._member.eof:
                yield self._decompress(left, limit)
                left = self._member.unconsumed_tail
            rest = self._begun(rest[len(fed) - len(self._member.unused_data) :])
            step = MEMBER_STEP_BYTES

    def _begun(self, rest: memoryview) -> memoryview:
        """The bytes without padding behind a member that has ended; the next one begins with them."""
        if rest and self._member.eof:
            if rest[0] == 0:
                rest = memoryview(bytes(rest).lstrip(b"\0"))
            if rest:
                self._member = self._new_member()
        return rest

    def _decompress(self, data: Buffer, max_length: int) -> bytes:
        try:
            return self._member.decompress(data, max_length)
        except self._errors as error:
            raise DecodingError(str(error)) from None

    @property
    def ended(self) -> bool:
        """Whether the last member is complete."""
        return self._member.eof


class StoredBody:
    """Decodes nothing: the body has no coding, whatever it is labelled as."""

    ended = True

    def feed(self, data: Buffer, limit: int) -> bytes:
        return bytes(data[: limit + 1])


def gzip_member() -> Member:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def zlib_member() -> Member:
    return zlib.decompressobj(zlib.MAX_WBITS)


def raw_deflate_member() -> Member:
    return zlib.decompressobj(-zlib.MAX_WBITS)


def zstd_member() -> Member:
    """Raises `TransferError` where no library is installed that decodes zstd."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # needed rarely

        class NativeFrame(zstd.ZstdDecompressor):
            """Raises `ValueError`, as the others do."""

            unconsumed_tail = b""

            def decompress(self, data: Buffer, max_length: int = -1) -> bytes:
                try:
                    return super().decompress(data, max_length)
                except zstd.ZstdError as error:
                    raise ValueError(str(error)) from None

        return NativeFrame()
    return _ZstdFrame()


class _ZstdFrame:
    """One frame (RFC 8878), decoded by the package zstandard."""

    def __init__(self) -> None:
        try:
            import zstandard  # needed rarely
        except ImportError:
            raise TransferError(
                "content encoding 'zstd' needs the package zstandard: pip install zstandard", kind="encoding"
            ) from None
        self._error = zstandard.ZstdError
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self.unused_data = self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        return self._frame.eof

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        pieces, size, position = [], 0, 0
        while position < len(data) and size < max_length and not self._frame.eof:
            fed = bytes(data[position : position + ZSTD_STEP_BYTES])
            position += len(fed)
            try:
                pieces.append(self._frame.decompress(fed))
            except self._error as error:
                raise ValueError(str(error)) from None
            size += len(pieces[-1])
        if self._frame.eof:
            self.unused_data = self._frame.unused_data + bytes(data[position:])
        return b"".join(pieces)[:max_length]
