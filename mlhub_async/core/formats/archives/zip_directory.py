"""The central directory of a ZIP archive, from its last bytes (APPNOTE.TXT 6.3.10, sections 4.3 and 4.4).

The directory rules: names, sizes and CRC are its own, a local header only has to agree on the name.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from .errors import ArchiveCut, ArchiveDefect
from .names import HOSTILE, is_hostile

_END, _END64, _LOCATOR, _ENTRY = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2"
_END_BYTES, _END64_BYTES, _LOCATOR_BYTES, _ENTRY_BYTES = 22, 56, 20, 46
LOCAL_BYTES = 30
TAIL_BYTES = 65_535 + _END_BYTES + _LOCATOR_BYTES + _END64_BYTES
"""So many last bytes have the end records, whatever comment follows them."""
MAX_EXTRA_BYTES = 65_535
_entry = struct.Struct("<4s6H3I5H2I").unpack_from
_16, _32 = 0xFFFF, 0xFFFFFFFF

STORED, DEFLATED = 0, 8
_METHODS = {
    1: "shrunk",
    6: "imploded",
    9: "deflate64",
    12: "bzip2",
    14: "lzma",
    93: "zstd",
    95: "xz",
    99: "AES",
}
_ENCRYPTED, _UTF8 = 0x1 | 0x40 | 0x2000, 0x800
_LINK, _DIRECTORY, _REGULAR = 0o12, 0o4, 0o10
"""The kind of a file in the upper bits of its Unix mode."""


class EndRecord(NamedTuple):
    """Where the central directory is, and how many members it has. `shift`: bytes before the archive."""

    offset: int
    size: int
    members: int
    shift: int


class ZipMember(NamedTuple):
    """One member. `offset` is that of its local header, `limit` of whatever follows it. `flaw`: why it cannot
    be read, "" if it can."""

    name: str
    offset: int
    limit: int
    packed: int
    size: int
    crc: int
    method: int
    modified: str
    raw_name: bytes
    flaw: str

    @property
    def etag(self) -> str:
        """A validator of its content."""
        return f'"{self.crc:08x}-{self.size:x}"'


def end_record(tail: bytes, total: int) -> EndRecord:
    """The end record in the last bytes of an archive of `total` bytes. Raises `ArchiveDefect`."""
    begin = total - len(tail)
    at = tail.rfind(_END)
    while at >= 0 and not _ends_there(tail, at):
        at = tail.rfind(_END, 0, at)
    if at < 0:
        raise ArchiveCut("is cut: the directory at the end of a ZIP is missing")
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


def _ends_there(tail: bytes, at: int) -> bool:
    """Whether this is the end record, and no text in a comment: the comment ends with the archive."""
    return at + _END_BYTES <= len(tail) and (
        at + _END_BYTES + struct.unpack_from("<H", tail, at + 20)[0] == len(tail)
    )


def _end_record64(tail: bytes, locator: int, begin: int) -> tuple[int, int, int, int]:
    at = locator - _END64_BYTES
    if not tail.startswith(_END64, max(at, 0)):
        at = struct.unpack_from("<Q", tail, locator + 8)[0] - begin
    if at < 0 or not tail.startswith(_END64, at):
        raise ArchiveDefect("has a ZIP64 locator that leads to no end record")
    count, size, offset = struct.unpack_from("<QQQ", tail, at + 32)
    return at, count, size, offset


class ZipDirectory:
    """The members of an archive by name. It holds the directory as it came, and one number per member.

    Raises `ArchiveDefect` for a directory that is not whole. `flaws` are the members that have no usable
    name: pairs of a name and what is wrong.
    """

    def __init__(self, raw: bytes, end: EndRecord) -> None:
        self._raw = raw
        self._end = end
        self._places: dict[str, int] = {}
        self._overlapping: set[int] = set()
        self.flaws: list[tuple[str, str]] = []
        self._offsets = array("Q")
        self._index()

    def __len__(self) -> int:
        return len(self._places)

    def names(self) -> list[str]:
        """The names of all members that are files, sorted."""
        return sorted(self._places)

    def member(self, name: str) -> ZipMember | None:
        place = self._places.get(name)
        return None if place is None else self._read(place)[0]

    def neighbours(self, offset: int, begin: int, end: int, small: int) -> tuple[int, int]:
        """The bytes that members of at most `small` bytes take up around the one at `offset`, as far as their
        local headers lie from `begin` to before `end`."""
        offsets = self._offsets
        first = last = bisect_left(offsets, offset)
        while first and offsets[first - 1] >= begin and offsets[first] - offsets[first - 1] <= small:
            first -= 1
        while last + 1 < len(offsets) and offsets[last + 1] < end:
            if self._limit(offsets[last + 1]) - offsets[last + 1] > small:
                break
            last += 1
        return offsets[first], self._limit(offsets[last])

    def _index(self) -> None:
        spans: list[tuple[int, int, int]] = []
        place, count = 0, 0
        while place < len(self._raw):
            member, following = self._read(place)
            end = member.offset + LOCAL_BYTES + len(member.raw_name) + member.packed
            spans.append((member.offset, end, place))
            self._add(member, place)
            place, count = following, count + 1
        if self._end.members not in (count, count & _16):
            raise ArchiveDefect(f"names {self._end.members} members in its directory, but {count} are there")
        spans.sort()
        self._offsets.extend(offset for offset, _, _ in spans if offset >= 0)
        self._note_overlaps(spans)

    def _add(self, member: ZipMember, place: int) -> None:
        name, kind = member.name, _entry(self._raw, place)[15] >> 28
        is_unix = self._raw[place + 5] in (3, 19)
        if name.endswith("/") or (is_unix and kind == _DIRECTORY):
            return
        if is_hostile(name):
            self.flaws.append((name, HOSTILE))
        elif is_unix and kind not in (0, _REGULAR):
            what = "a symbolic link" if kind == _LINK else "no regular file"
            self.flaws.append((name, f"it is {what}: it is left out"))
        elif name in self._places:
            self.flaws.append((name, "two members have this name: the first one is left out"))
            self._places[name] = place
        else:
            self._places[name] = place

    def _note_overlaps(self, spans: list[tuple[int, int, int]]) -> None:
        """Members that share bytes make a small archive unpack to any size: none of them is read."""
        reached, last = 0, -1
        for offset, end, place in spans:
            if offset < reached:
                self._overlapping.update((last, place))
            if end > reached:
                reached, last = end, place
        limit = self._end.offset
        self._overlapping.update(place for offset, end, place in spans if offset < 0 or end > limit)

    def _read(self, place: int) -> tuple[ZipMember, int]:
        """The member whose entry begins there, and where the next one does."""
        raw = self._raw
        if len(raw) - place < _ENTRY_BYTES or not raw.startswith(_ENTRY, place):
            raise ArchiveDefect("has a directory that is damaged")
        fields = _entry(raw, place)
        flags, method, time, date, crc, packed, size = fields[3:10]
        name_end = place + _ENTRY_BYTES + fields[10]
        extra_end = name_end + fields[11]
        following = extra_end + fields[12]
        if following > len(raw):
            raise ArchiveDefect("has a directory that is damaged")
        offset = fields[16]
        if _32 in (packed, size, offset):
            size, packed, offset = _zip64_fields(raw[name_end:extra_end], size, packed, offset)
        offset += self._end.shift
        raw_name = raw[place + _ENTRY_BYTES : name_end]
        flaw = _flaw_of(flags, method)
        if place in self._overlapping:
            flaw = "it overlaps other members or lies outside of the archive"
        elif method == STORED and packed != size and not flaw:
            flaw = "its sizes contradict each other"
        modified = _date(date, time)
        name = _name(raw_name, flags)
        limit = self._limit(offset)
        return ZipMember(name, offset, limit, packed, size, crc, method, modified, raw_name, flaw), following

    def _limit(self, offset: int) -> int:
        after = bisect_right(self._offsets, offset) if offset >= 0 else 0
        return self._offsets[after] if after < len(self._offsets) else self._end.offset


def _zip64_fields(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The fields with their 64-bit values, in the order of section 4.5.3."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra[: at + 4 + length], at + 4))
            try:
                return tuple(next(wide) if one == _32 else one for one in (size, packed, offset))  # type: ignore[return-value]
            except (StopIteration, RuntimeError):
                break
        at += 4 + length
    raise ArchiveDefect("has a directory without the sizes that ZIP64 demands")


def _flaw_of(flags: int, method: int) -> str:
    if flags & _ENCRYPTED or method == 99:
        return "it is encrypted: unpack it with its password, and give the folder"
    if method not in (STORED, DEFLATED):
        named = _METHODS.get(method, f"method {method}")
        return f"it is compressed by {named}, which is not read: unpack it, and give the folder"
    return ""


def _name(raw: bytes, flags: int) -> str:
    """By flag 11 UTF-8, else code page 437 (appendix D); but many write UTF-8 and do not say so."""
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")


def _date(date: int, time: int) -> str:
    """The time of the member as RFC 3339, "" for none. It has no time zone: it is taken for UTC."""
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    hour, minute, second = time >> 11, time >> 5 & 63, (time & 31) * 2
    if not (
        1 <= month <= 12 and 1 <= day <= 28 + (month != 2) * 3 + (month == 2) and hour < 24 and minute < 60
    ):
        return ""
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{min(second, 59):02}Z"
