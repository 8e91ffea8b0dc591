"""Checks the structure of ZIP, ZIP64, tar and 7z archives."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import BinaryIO, NamedTuple

from ... import pattern_on_use
from .reader import IntrinsicFlaw, IntrinsicFlawError, Reader, StructureError, WorkLimitError, run_check

_END, _END64, _LOCATOR, _ENTRY, _MEMBER = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
"""Signatures: end record, ZIP64 end record and its locator, entry of the central directory, local header."""
MAX_COMMENT_BYTES = 0xFFFF
_IN_ZIP64_FIELD = 0xFFFFFFFF
"""The value of a 32-bit field whose number is in the ZIP64 extra field instead."""

READ_BYTES = 1 << 20
MAX_UNPACKED_BYTES = 256 << 20
"""Limit of the work for the members of one archive."""
MAX_DIRECTORY_BYTES = 4 << 20
"""Of a larger directory the members are not unpacked: it takes many times its size in memory."""

TAR_BLOCK = 512
MAX_PAX_BYTES = 64 << 10
_PAX_SIZE = pattern_on_use(rb"(?<!\d)\d+ size=(\d+)\n")


def check_zip(file: BinaryIO) -> str | None:
    """Check the end record, the directory, that every member lies before it, and the CRC of the members."""
    return run_check(_examine_zip, file) or _spoilt_member(file)


def _spoilt_member(file: BinaryIO) -> str | None:
    """A member, stored or deflated, whose bytes are not those that were packed; up to a limit of work."""
    left = MAX_UNPACKED_BYTES
    try:
        directory = _directory(Reader(file))
        if directory.end - directory.first > MAX_DIRECTORY_BYTES:
            return None
        archive = zipfile.ZipFile(file)
        for member in archive.infolist():
            if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                continue
            try:
                with archive.open(member) as data:
                    while piece := data.read(READ_BYTES):
                        left -= len(piece)
                        if left < 0:
                            return None
            except (zlib.error, EOFError) as error:
                return IntrinsicFlaw(f"a member cannot be decompressed ({error})")
    except zipfile.BadZipFile as error:
        return IntrinsicFlaw("the CRC of a member is wrong") if "CRC" in str(error) else None
    except (StructureError, WorkLimitError, ValueError, RuntimeError, struct.error):
        return None  # perhaps valid: this reader takes fewer kinds of archives than there are
    return None


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


def check_tar(file: BinaryIO) -> str | None:
    """Check the chain of members, each with the checksum of its header, to the block of zeros."""
    return run_check(_examine_tar, file)


def _examine_tar(reader: Reader) -> None:
    offset, size = 0, None
    while any(header := reader.exact(offset, TAR_BLOCK, "the header of a member")):
        if not _is_tar_header(header):
            raise IntrinsicFlawError(f"no member begins at byte {offset}")
        size = _tar_number(header[124:136]) if size is None else size
        sparse = header[156:157] == b"S" and header[482]
        offset += TAR_BLOCK
        while sparse:
            sparse = reader.exact(offset, TAR_BLOCK, "the header of a member")[504]
            offset += TAR_BLOCK
        end = offset + -(-size // TAR_BLOCK) * TAR_BLOCK
        if offset + size > reader.size:
            raise StructureError(f"a member goes on to byte {offset + size} of {reader.size}")
        found = None
        if header[156:157] == b"x":
            found = _PAX_SIZE.search(reader.exact(offset, min(size, MAX_PAX_BYTES)))
        size = int(found[1]) if found else None
        offset = end
    if reader.size % TAR_BLOCK:
        raise StructureError(f"its {reader.size} bytes are no number of blocks of {TAR_BLOCK}")


def _is_tar_header(header: bytes) -> bool:
    """Whether the sum of its bytes is as recorded; some programs summed them up as signed numbers."""
    plain = header[:148] + b" " * 8 + header[156:]
    signed = sum(plain) - 256 * sum(byte > 127 for byte in plain)
    return _tar_number(header[148:156]) in (sum(plain), signed)


def _tar_number(field: bytes) -> int:
    """A number in octal digits, or where the first bit is set in binary."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
    digits = field.split(b"\0")[0].strip()
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0


def check_7z(file: BinaryIO) -> str | None:
    """Check that the header at the end lies inside the file."""
    return run_check(_examine_7z, file)


def _examine_7z(reader: Reader) -> None:
    offset, size = reader.unpack("<QQ", 12, "its header")
    if 32 + offset + size > reader.size:
        raise StructureError(f"its directory goes on to byte {32 + offset + size} of {reader.size}")
