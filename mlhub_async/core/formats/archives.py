"""ZIP and ZIP64: the record at its end, the central directory, and every member inside the file."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, NamedTuple

from .reader import Broken, Enough, Reader, verdict

_END, _END64, _LOCATOR, _ENTRY, _MEMBER = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
_LONGEST_COMMENT = 0xFFFF
_BIG = 0xFFFFFFFF

_PIECE = 64 << 10
_UNPACKED = 1 << 20
_MOST = 256 << 20
"""Bytes that are unpacked at most: a bomb costs a second."""


def check_zip(file: BinaryIO) -> str | None:
    return verdict(_examine_zip, file)


class _Directory(NamedTuple):
    """Where the central directory is. `shift`: bytes that somebody put before the archive."""

    first: int
    end: int
    shift: int


def _examine_zip(reader: Reader) -> None:
    directory = _directory(reader)
    place = directory.first
    while place < directory.end:
        place = _check_entry(reader, directory, place)


def _directory(reader: Reader) -> _Directory:
    end, size, offset = _end_record(reader)
    if end >= 20 and reader.at(end - 20, 4) == _LOCATOR:
        end, size, offset = _end_record64(reader, end - 20)
    if size > end or offset > end - size:
        raise Broken("its central directory does not fit before its end: bytes are missing")
    return _Directory(end - size, end, end - size - offset)


def _end_record(reader: Reader) -> tuple[int, int, int]:
    """Place of the end record, size and offset of the directory. A comment may look like another record."""
    begin = max(reader.size - _LONGEST_COMMENT - 22, 0)
    tail = reader.some(begin, reader.size)
    at = tail.rfind(_END)
    while at >= 0:
        if at + 22 <= len(tail):
            size, offset, comment = struct.unpack_from("<IIH", tail, at + 12)
            if at + 22 + comment <= len(tail):
                return begin + at, size, offset
        at = tail.rfind(_END, 0, at)
    raise Broken("its end record is missing")


def _end_record64(reader: Reader, locator: int) -> tuple[int, int, int]:
    (offset,) = reader.unpack("<Q", locator + 8)
    for place in (offset, locator - 56):  # the second where something stands before the archive
        if 0 <= place <= locator - 56 and reader.at(place, 4) == _END64:
            size, first = reader.unpack("<QQ", place + 40)
            return place, size, first
    raise Broken("its end record for large archives is missing")


def _check_entry(reader: Reader, directory: _Directory, place: int) -> int:
    """One member; returns where the next one's entry is."""
    what = "its central directory"
    head = reader.at(place, 46, what)
    if head[:4] != _ENTRY:
        raise Broken(f"its central directory is damaged at byte {place}")
    packed, plain, name, extra, comment, disk = struct.unpack_from("<IIHHHH", head, 20)
    (offset,) = struct.unpack_from("<I", head, 42)
    if _BIG in (packed, plain, offset) and disk != _BIG:
        packed, offset = _large(reader.at(place + 46 + name, extra, what), packed, plain, offset)
    begin = offset + directory.shift
    if begin + 30 + packed > directory.first:
        raise Broken(f"a member goes on to byte {begin + 30 + packed}, behind the last one's end")
    if reader.at(begin, 4) != _MEMBER:
        raise Broken(f"no member begins at byte {begin} as its central directory says")
    return place + 46 + int(name + extra + comment)


def _large(extra: bytes, packed: int, plain: int, offset: int) -> tuple[int, int]:
    """Packed size and offset where they need 64 bits: field 1 of the extra ones has those that do."""
    at = 0
    while at + 4 <= len(extra):
        number, size = struct.unpack_from("<HH", extra, at)
        if number == 1:
            found = [one for (one,) in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + size // 8 * 8])]
            values = iter(found)
            wide = [next(values, one) if one == _BIG else one for one in (plain, packed, offset)]
            return wide[1], wide[2]
        at += 4 + size
    return packed, offset


def check_gzip(file: BinaryIO) -> str | None:
    return verdict(_examine_gzip, file)


def _examine_gzip(reader: Reader) -> None:
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
