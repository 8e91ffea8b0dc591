"""The end of a ZIP archive: where its directory is (APPNOTE.TXT 6.3.10, sections 4.3.14 to 4.3.16)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .errors import ArchiveCut, ArchiveDefect

_END, _END64, _LOCATOR = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_END_BYTES, _END64_BYTES, _LOCATOR_BYTES = 22, 56, 20
TAIL_BYTES = 65_535 + _END_BYTES + _LOCATOR_BYTES + _END64_BYTES
"""So many last bytes have the end records, whatever comment follows them."""
_16 = 0xFFFF


class EndRecord(NamedTuple):
    """Where the central directory is, and how many members it has. `shift`: bytes before the archive."""

    offset: int
    size: int
    members: int
    shift: int


def end_record(tail: bytes, total: int) -> EndRecord:
    """The end record in the last bytes of an archive of `total` bytes. Raises `ArchiveDefect`."""
    begin = total - len(tail)
    at = _end_record_at(tail, begin)
    (disk,) = struct.unpack_from("<H", tail, at + 4)
    count, size, offset = struct.unpack_from("<HII", tail, at + 10)
    locator = at - _LOCATOR_BYTES
    if locator >= 0 and tail.startswith(_LOCATOR, locator):
        at, count, size, offset = _end_record64(tail, locator, begin)
    elif disk not in (0, _16):
        raise ArchiveDefect("is one part of a ZIP in several parts: join them first")
    place = begin + at - size
    if place < 0 or place < offset:
        raise ArchiveCut("is cut: its directory does not fit before its end")
    return EndRecord(place, size, count, place - offset)


def _end_record_at(tail: bytes, begin: int) -> int:
    """Where in the last bytes the end record is. Raises `ArchiveCut`.

    It is the one whose comment ends with the archive, else no text in a comment is taken for one. Where bytes
    follow the archive (padding, a line break) it is the one whose directory is where it says, from the first
    byte of the file on: so is not that of an archive in a member, where the rest is missing.
    """
    padded = -1
    at = tail.rfind(_END)
    while at >= 0:
        if at + _END_BYTES <= len(tail):
            size, offset, comment = struct.unpack_from("<IIH", tail, at + 12)
            follow = len(tail) - at - _END_BYTES - comment
            if not follow:
                return at
            if follow > 0 and padded < 0 and size and offset + size == begin + at:
                padded = at
        at = tail.rfind(_END, 0, at)
    if padded < 0:
        raise ArchiveCut("is cut: the directory at the end of a ZIP is missing")
    return padded


def _end_record64(tail: bytes, locator: int, begin: int) -> tuple[int, int, int, int]:
    at = locator - _END64_BYTES
    if not tail.startswith(_END64, max(at, 0)):
        at = struct.unpack_from("<Q", tail, locator + 8)[0] - begin
    if at < 0 or not tail.startswith(_END64, at):
        raise ArchiveDefect("has a ZIP64 locator that leads to no end record")
    count, size, offset = struct.unpack_from("<QQQ", tail, at + 32)
    return at, count, size, offset
