"""Checks the structure of gzip, xz, bzip2 and Zstandard files."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from .reader import IntrinsicFlawError, Reader, StructureError, WorkLimitError, run_check

READ_BYTES = 64 << 10
DECOMPRESS_BYTES = 1 << 20
"""Bytes that one step may decompress to."""
MAX_DECOMPRESSED_BYTES = 256 << 20
"""Limit of the work for one file: a decompression bomb takes a second."""
_BZ2_END = 0x177245385090
"""The 48 bits before the last checksum of a bzip2 file."""
_ZSTD_MAGIC, _SKIPPABLE = 0xFD2FB528, 0x184D2A50


def check_gzip(file: BinaryIO) -> str | None:
    """Decompress every member, with its CRC (RFC 1952)."""
    return run_check(_examine_gzip, file)


def _examine_gzip(reader: Reader) -> None:
    """Bytes behind the last member are ignored, as gzip does."""
    members = _Members(reader)
    while members.has_next():
        members.check_next()
    if members.rest == b"\x1f":
        raise StructureError("it ends in the middle of a member")


class _Members:
    """The members of a gzip file, read in order."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._offset = 0
        self._data = b""
        self._left = MAX_DECOMPRESSED_BYTES

    def has_next(self) -> bool:
        self._refill()
        if len(self._data) < 2:
            self._data += self._reader.available(self._offset, 1)
            self._offset += 1
        return self._data.startswith(b"\x1f\x8b")

    @property
    def rest(self) -> bytes:
        """The bytes behind the last member, as far as they were read."""
        return self._data

    def _refill(self) -> None:
        if not self._data:
            self._data = self._reader.available(self._offset, READ_BYTES)
            self._offset += len(self._data)

    def _count(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise WorkLimitError

    def check_next(self) -> None:
        decompressor = zlib.decompressobj(wbits=31)
        while not decompressor.eof:
            self._refill()
            try:
                size = len(decompressor.decompress(self._data, DECOMPRESS_BYTES))
            except zlib.error as error:
                raise StructureError(f"it cannot be decompressed ({error})") from None
            if not (self._data or size or decompressor.eof):
                raise StructureError("it ends in the middle of a member")
            self._count(size)
            self._data = decompressor.unconsumed_tail
        self._data = decompressor.unused_data
        self._count(len(self._data))


def check_xz(file: BinaryIO) -> str | None:
    """Check the footer with its CRC, and that the index before it begins where the footer says."""
    return run_check(_examine_xz, file)


def _examine_xz(reader: Reader) -> None:
    end = reader.size
    while end > 12 and not any(reader.exact(end - 4, 4)):  # padding between streams
        end -= 4
    if reader.size % 4 or reader.exact(max(end - 2, 0), 2) != b"YZ":
        raise StructureError("its end marker is missing")
    digest, size, flags = reader.unpack("<II2s", end - 12)
    if zlib.crc32(size.to_bytes(4, "little") + flags) != digest:
        raise StructureError("its footer is damaged")
    index = end - 12 - (size + 1) * 4
    if index < 12 or reader.exact(index, 1) != b"\0":
        raise StructureError("its index is missing")


def check_bzip2(file: BinaryIO) -> str | None:
    """Check the end marker, which begins at any bit. Zeros may follow it."""
    return run_check(_examine_bzip2, file)


def _examine_bzip2(reader: Reader) -> None:
    tail = reader.available(max(reader.size - 4096, 0), 4096)
    for data in (tail, tail.rstrip(b"\0")):
        number = int.from_bytes(data[-11:])
        if any((number >> 32 + shift) & (1 << 48) - 1 == _BZ2_END for shift in range(8)):
            return
    raise StructureError("its end marker is missing")


def check_zstd(file: BinaryIO) -> str | None:
    """Check the chain of blocks of every frame (RFC 8878)."""
    return run_check(_examine_zstd, file)


def _examine_zstd(reader: Reader) -> None:
    offset = 0
    while offset + 4 <= reader.size:
        (magic,) = reader.unpack("<I", offset)
        if magic == _ZSTD_MAGIC:
            offset = _end_of_frame(reader, offset + 4)
        elif magic & ~0xF == _SKIPPABLE:
            offset += 8 + int(reader.unpack("<I", offset + 4)[0])
        else:
            raise IntrinsicFlawError(f"no frame begins at byte {offset}")
        if offset > reader.size:
            raise StructureError(f"a frame goes on to byte {offset} of {reader.size}")
    if offset < reader.size:
        raise StructureError("it ends in the middle of a frame")


def _end_of_frame(reader: Reader, offset: int) -> int:
    flags = reader.exact(offset, 1)[0]
    single, checksum = flags >> 5 & 1, flags >> 2 & 1
    content = (single, 2, 4, 8)[flags >> 6]
    offset += 1 + (not single) + (0, 1, 2, 4)[flags & 3] + content
    last = False
    while not last:
        header = int.from_bytes(reader.exact(offset, 3, "a block"), "little")
        last, run = bool(header & 1), header >> 1 & 3 == 1
        offset += 3 + (1 if run else header >> 3)
    return offset + 4 * checksum
