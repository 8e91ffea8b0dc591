"""The central directory of a ZIP archive (APPNOTE.TXT 6.3.10, sections 4.3 and 4.4).

The directory rules: names, sizes and CRC are its own, a local header only has to agree on the name.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from operator import gt
from typing import NamedTuple
from zlib import crc32

from .errors import ArchiveDefect
from .names import HOSTILE, is_hostile, is_plain, without_empty_parts
from .zip_end import EndRecord

_ENTRY, _ENTRY_BYTES = b"PK\1\2", 46
LOCAL_BYTES = 30
REMEMBERED = 2_000
"""So many members at least that were listed last, and are asked for soon, are not read again."""
_entry = struct.Struct("<4sxB14xII3H7xBI").unpack_from
"""Of an entry: signature, the system it was made on, the packed size and the size, the lengths of name, extra
field and comment, the upper byte of the attributes, and the offset of the local header."""
_facts_of = struct.Struct("<8x4H3I2H10xI").unpack_from
"""Of an entry: flags, method, time, date, CRC-32, the packed size and the size, the lengths of name and extra
field, and the offset of the local header."""
_16, _32 = 0xFFFF, 0xFFFFFFFF
_FAR = 1 << 62
"""Beyond the end of every archive."""

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
_UNICODE_PATH = 0x7075
_ENCRYPTED, _UTF8 = 0x1 | 0x40 | 0x2000, 0x800
_BACKSLASH_HOSTS = frozenset({0, 6, 10, 14})
"""Systems whose paths have backslashes, as an entry names the one it was made on (FAT, HPFS, NTFS, VFAT)."""
_UNIX_HOSTS = (3, 19)
"""Those whose entries have a Unix mode: Unix and macOS."""
_LINK, _DIRECTORY, _REGULAR, _PIPE = 0o12, 0o4, 0o10, 0o1
"""The kind of a file in the upper bits of its Unix mode."""
_FILES = (0, _REGULAR, _PIPE)
"""Kinds that are files: zip marks as a pipe what it has read from one."""


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
    """its time as RFC 3339, "" for none; it has no time zone: it is taken for UTC"""
    raw_name: bytes
    flaw: str
    etag: str
    """a validator of its content"""


class ZipDirectory:
    """The members of an archive by name. It holds the directory as it came, and three numbers per member.

    Raises `ArchiveDefect` for a directory that is not whole. `flaws` are the members that have no usable
    name: pairs of a name and what is wrong.
    """

    def __init__(self, raw: bytes, end: EndRecord) -> None:
        self._raw = raw
        self._end = end
        self._files = array("Q")
        """where the entries of the files begin, in the order of their names"""
        self._hashes = array("Q")
        """32 bits of the hash of each name, and the number of its entry in `_files`; sorted. Made when a
        member is looked for that was not listed just before."""
        self._overlapping: set[int] = set()
        self.flaws: list[tuple[str, str]] = []
        self._offsets = array("Q")
        self._recent: dict[str, ZipMember] = {}
        self._earlier: dict[str, ZipMember] = {}
        """members that were read lately, and before these"""
        self._index()

    def __len__(self) -> int:
        return len(self._files)

    def names(self, *, backwards: bool = False) -> Iterator[str]:
        """The names of all members that are files, sorted."""
        return map(self._name_at, reversed(self._files) if backwards else self._files)

    def names_ending(self, end: str) -> Iterator[str]:
        """Those of them that end so, in ASCII. None is read where the directory has these letters nowhere."""
        if end.encode("ascii") not in self._raw:
            return iter(())
        return (name for name in self.names() if name.endswith(end))

    def members(self) -> Iterator[ZipMember]:
        """All members that are files, sorted by name."""
        for begin in range(0, len(self._files), REMEMBERED):
            self._recent, self._earlier = {}, self._recent
            for place in self._files[begin : begin + REMEMBERED]:
                member = self._read(place)
                self._recent[member.name] = member
                yield member

    def member(self, name: str) -> ZipMember | None:
        """The member of a name."""
        found = self._recent.get(name) or self._earlier.get(name)
        if found is None and (found := self._find(name)) is not None:
            if len(self._recent) >= REMEMBERED:
                self._recent, self._earlier = {}, self._recent
            self._recent[name] = found
        return found

    def _find(self, name: str) -> ZipMember | None:
        if len(self._hashes) < len(self._files):
            self._hashes.extend(sorted([_hash_bits(one) | at for at, one in enumerate(self.names())]))
        key = _hash_bits(name)
        at = bisect_left(self._hashes, key)
        while at < len(self._hashes) and self._hashes[at] & ~_32 == key:
            member = self._read(self._files[self._hashes[at] & _32])
            if member.name == name:
                return member
            at += 1
        return None

    def _name_at(self, place: int) -> str:
        """The name in the entry that begins there, which is known to be whole."""
        raw, begin = self._raw, place + _ENTRY_BYTES
        name = raw[begin : begin + (raw[place + 28] | raw[place + 29] << 8)]
        return name.decode("ascii") if is_plain(name) else _usual_name(name, raw, place)

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
        raw, shift = self._raw, self._end.shift
        places, offsets, ends = array("Q"), array("Q"), array("Q")
        names: list[str] = []
        odd: set[int] = set()
        place = 0
        while place <= len(raw) - _ENTRY_BYTES:
            sig, host, packed, size, name_bytes, extra_bytes, comment_bytes, mode, offset = _entry(raw, place)
            name_begin = place + _ENTRY_BYTES
            name_end = name_begin + name_bytes
            following = name_end + extra_bytes + comment_bytes
            if sig != _ENTRY or following > len(raw):
                raise ArchiveDefect("has a directory that is damaged")
            if _32 in (packed, size, offset):
                extra = raw[name_end : name_end + extra_bytes]
                _, packed, offset = _zip64_fields(extra, size, packed, offset)
                packed, offset = min(packed, _FAR), min(offset, _FAR)
            name = raw[name_begin:name_end]
            if is_plain(name) and (mode >> 4 in _FILES or host not in _UNIX_HOSTS):
                names.append(name.decode("ascii"))
            else:
                odd.add(place)
                names.append(_usual_name(name, raw, place))
            offset += shift
            places.append(place)
            offsets.append(offset)
            ends.append(offset + LOCAL_BYTES + name_bytes + packed)
            place = following
        if place != len(raw):
            raise ArchiveDefect("has a directory that is damaged")
        count = len(places)
        if self._end.members not in (count, count & _16):
            raise ArchiveDefect(f"names {self._end.members} members in its directory, but {count} are there")
        self._note_overlaps(places, offsets, ends)
        self._offsets.extend(sorted(offsets))
        numbers: Iterable[int] = sorted(range(count), key=names.__getitem__)
        if odd or len(set(names)) < count:
            numbers = self._usable(numbers, places, names, odd)
        self._files.extend(map(places.__getitem__, numbers))

    def _usable(
        self, numbers: Iterable[int], places: Sequence[int], names: Sequence[str], odd: Container[int]
    ) -> list[int]:
        """Those of the entries, sorted by name, that are files with usable names, the last one of each name.

        `odd`: the places of entries that may be something else.
        """
        usable: list[int] = []
        for number in numbers:
            name, place = names[number], places[number]
            if place in odd and not self._is_file(name, place):
                continue
            if usable and names[usable[-1]] == name:
                self.flaws.append((name, "two members have this name: the first one is left out"))
                usable.pop()
            usable.append(number)
        return usable

    def _is_file(self, name: str, place: int) -> bool:
        """Whether an entry is a file with a usable name; notes what is wrong with it else."""
        kind, is_unix = self._raw[place + 41] >> 4, self._raw[place + 5] in _UNIX_HOSTS
        if name.endswith("/") or (is_unix and kind == _DIRECTORY):
            return False
        if is_hostile(name):
            self.flaws.append((name, HOSTILE))
            return False
        if is_unix and kind not in _FILES:
            what = "a symbolic link" if kind == _LINK else "no regular file"
            self.flaws.append((name, f"it is {what}: it is left out"))
            return False
        return True

    def _note_overlaps(self, places: Sequence[int], offsets: Sequence[int], ends: Sequence[int]) -> None:
        """Members that share bytes make a small archive unpack to any size: none of them is read."""
        reached, last, limit = 0, -1, self._end.offset
        if max(ends, default=0) <= limit and not any(map(gt, ends, islice(offsets, 1, None))):
            return  # each one ends before the next one begins, as in nearly all archives
        for number in sorted(range(len(places)), key=offsets.__getitem__):
            if offsets[number] < reached:
                self._overlapping.update((last, places[number]))
            if ends[number] > reached:
                reached, last = ends[number], places[number]
            if ends[number] > limit:
                self._overlapping.add(places[number])

    def _read(self, place: int) -> ZipMember:
        """The member whose entry begins there, which is known to be whole."""
        raw = self._raw
        flags, method, time, date, crc, packed, size, name_bytes, extra_bytes, offset = _facts_of(raw, place)
        name_end = place + _ENTRY_BYTES + name_bytes
        if _32 in (packed, size, offset):
            size, packed, offset = _zip64_fields(raw[name_end : name_end + extra_bytes], size, packed, offset)
        offset += self._end.shift
        sound = packed == size if method == STORED else method == DEFLATED
        if sound and not flags & _ENCRYPTED and place not in self._overlapping:
            flaw = ""
        else:
            flaw = _flaw_of(flags, method, overlaps=place in self._overlapping)
        raw_name = raw[place + _ENTRY_BYTES : name_end]
        name = raw_name.decode("ascii") if is_plain(raw_name) else _usual_name(raw_name, raw, place)
        limit, when, etag = self._limit(offset), _date(date, time), f'"{crc:08x}-{size:x}"'
        return ZipMember(name, offset, limit, packed, size, crc, method, when, raw_name, flaw, etag)

    def _limit(self, offset: int) -> int:
        offsets = self._offsets
        after = bisect_right(offsets, offset)
        return offsets[after] if after < len(offsets) else self._end.offset


def _hash_bits(name: str) -> int:
    return (hash(name) & _32) << 32


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


def _flaw_of(flags: int, method: int, *, overlaps: bool) -> str:
    """Why a member cannot be read, of which something is wrong."""
    if overlaps:
        return "it overlaps other members or lies outside of the archive"
    if flags & _ENCRYPTED or method == 99:
        return "it is encrypted: unpack it with its password, and give the folder"
    if method not in (STORED, DEFLATED):
        named = _METHODS.get(method, f"method {method}")
        return f"it is compressed by {named}, which is not read: unpack it, and give the folder"
    return "its sizes contradict each other"


def _unicode_path(directory: bytes, place: int, name: bytes) -> bytes:
    """The name in UTF-8 that an extra field of the entry there gives for this one (section 4.6.9); the same
    name without such a field."""
    at = place + _ENTRY_BYTES + len(name)
    (extra_bytes,) = struct.unpack_from("<H", directory, place + 30)
    end = at + extra_bytes
    while at + 4 <= end:
        kind, length = struct.unpack_from("<HH", directory, at)
        field = directory[at + 4 : min(at + 4 + length, end)]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            return field[5:] if field[1:5] == crc32(name).to_bytes(4, "little") else name
        at += 4 + length
    return name


def _usual_name(raw: bytes, directory: bytes, place: int) -> str:
    """The name of an entry, in the form that all names have here.

    Programs on Windows wrote backslashes (.NET before 4.6.1, PowerShell 5); where there is no slash they are
    read so, as Info-ZIP does."""
    flags = directory[place + 8] | directory[place + 9] << 8
    name = _text(raw, flags, directory, place)
    if "\\" in name and "/" not in name and directory[place + 5] in _BACKSLASH_HOSTS:
        name = name.replace("\\", "/")
    return without_empty_parts(name)


def _text(raw: bytes, flags: int, directory: bytes, place: int) -> str:
    """By flag 11 UTF-8, else that of an extra field, else code page 437 (appendix D); but many write UTF-8
    and do not say so."""
    if raw.isascii():
        return raw.decode("ascii")
    if not flags & _UTF8:
        raw = _unicode_path(directory, place, raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")


@lru_cache(256)
def _date(date: int, time: int) -> str:
    """RFC 3339 of a date and a time of MS-DOS (section 4.4.6), "" for none."""
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    hour, minute, second = time >> 11, time >> 5 & 63, (time & 31) * 2
    if not (
        1 <= month <= 12 and 1 <= day <= 28 + (month != 2) * 3 + (month == 2) and hour < 24 and minute < 60
    ):
        return ""
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{min(second, 59):02}Z"
