"""Checks the structure of ZIP, ZIP64 and gzip files."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, NamedTuple

from .reader import Reader, StructureError, WorkLimitError, run_check

_END, _END64, _LOCATOR, _ENTRY, _MEMBER = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
"""Signatures: end record, ZIP64 end record and its locator, entry of the central directory, local header."""
MAX_COMMENT_BYTES = 0xFFFF
_IN_ZIP64_FIELD = 0xFFFFFFFF
"""The value of a 32-bit field whose number is in the ZIP64 extra field instead."""

READ_BYTES = 64 << 10
DECOMPRESS_BYTES = 1 << 20
"""Bytes that one step may decompress to."""
MAX_DECOMPRESSED_BYTES = 256 << 20
"""Limit of the work for one file: a decompression bomb takes a second."""


def check_zip(file: BinaryIO) -> str | None:
    """Check the end record, the central directory, and that every member lies before the directory."""
    return run_check(_examine_zip, file)


class _Directory(NamedTuple):
    """The offsets of the central directory. `shift`: bytes before the archive (self-extracting)."""

    first: int
    end: int
    shift: int


def _examine_zip(reader: Reader) -> None:
    directory = _directory(reader)
    entry = directory.first
    while entry < directory.end:
        entry = _check_entry(reader, directory, entry)


def _directory(reader: Reader) -> _Directory:
    end, size, offset = _end_record(reader)
    if end >= 20 and reader.exact(end - 20, 4) == _LOCATOR:
        end, size, offset = _end_record64(reader, end - 20)
    if size > end or offset > end - size:
        raise StructureError("its central directory does not fit before its end: bytes are missing")
    return _Directory(end - size, end, end - size - offset)


def _end_record(reader: Reader) -> tuple[int, int, int]:
    """The offset of the end record, the size of the directory, and its offset as recorded.

    A comment that contains the signature of the record is recognised by its length.
    """
    begin = max(reader.size - MAX_COMMENT_BYTES - 22, 0)
    tail = reader.available(begin, reader.size)
    at = tail.rfind(_END)
    while at >= 0:
        if at + 22 <= len(tail):
            size, offset, comment = struct.unpack_from("<IIH", tail, at + 12)
            if at + 22 + comment <= len(tail):
                return begin + at, size, offset
        at = tail.rfind(_END, 0, at)
    raise StructureError("its end record is missing")


def _end_record64(reader: Reader, locator: int) -> tuple[int, int, int]:
    (offset,) = reader.unpack("<Q", locator + 8)
    for place in (offset, locator - 56):  # the second where bytes come before the archive
        if 0 <= place <= locator - 56 and reader.exact(place, 4) == _END64:
            size, first = reader.unpack("<QQ", place + 40)
            return place, size, first
    raise StructureError("its end record for large archives is missing")


def _check_entry(reader: Reader, directory: _Directory, entry: int) -> int:
    """Check the entry of one member, and its local header; returns the offset of the next entry."""
    what = "its central directory"
    head = reader.exact(entry, 46, what)
    if head[:4] != _ENTRY:
        raise StructureError(f"its central directory is damaged at byte {entry}")
    compressed, uncompressed, name, extra, comment, disk = struct.unpack_from("<IIHHHH", head, 20)
    (offset,) = struct.unpack_from("<I", head, 42)
    if _IN_ZIP64_FIELD in (compressed, uncompressed, offset) and disk != _IN_ZIP64_FIELD:
        compressed, offset = _zip64_values(
            reader.exact(entry + 46 + name, extra, what), compressed, uncompressed, offset
        )
    begin = offset + directory.shift
    if begin + 30 + compressed > directory.first:
        raise StructureError(f"a member goes on to byte {begin + 30 + compressed}, behind the last one's end")
    if reader.exact(begin, 4) != _MEMBER:
        raise StructureError(f"no member begins at byte {begin} as its central directory says")
    return entry + 46 + int(name + extra + comment)


def _zip64_values(extra: bytes, compressed: int, uncompressed: int, offset: int) -> tuple[int, int]:
    """Compressed size and offset where they need 64 bits: extra field 1 has those that do, in this order."""
    at = 0
    while at + 4 <= len(extra):
        number, size = struct.unpack_from("<HH", extra, at)
        if number == 1:
            found = [one for (one,) in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + size // 8 * 8])]
            values = iter(found)
            wide = [
                next(values, one) if one == _IN_ZIP64_FIELD else one
                for one in (uncompressed, compressed, offset)
            ]
            return wide[1], wide[2]
        at += 4 + size
    return compressed, offset


def check_gzip(file: BinaryIO) -> str | None:
    """Decompress every member, with its CRC (RFC 1952)."""
    return run_check(_examine_gzip, file)


def _examine_gzip(reader: Reader) -> None:
    """Bytes behind the last member are ignored, as gzip does."""
    members = _Members(reader)
    while members.has_next():
        members.check_next()


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
