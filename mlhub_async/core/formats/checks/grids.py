"""Checks the structure of GRIB, NITF, HDF4 and LAS (LAZ, COPC) files."""

from __future__ import annotations

from typing import BinaryIO

from .reader import IntrinsicFlawError, Reader, StructureError, run_check

_LARGE_GRIB1 = 0x800000
"""This bit of the length of a GRIB 1 message: the rest counts units of 120 bytes."""
_NITF_LENGTH = 342
_DOWNGRADED = b"999998"
"""A value in the header of NITF 2.0 that moves all after it by 40 bytes."""
_UNDEFINED = 0xFFFFFFFF
MAX_BLOCKS = 1 << 16


def check_grib(file: BinaryIO) -> str | None:
    """Check that every message ends inside the file, with its end marker. Other bytes may be between them."""
    return run_check(_examine_grib, file)


def _examine_grib(reader: Reader) -> None:
    offset = reader.find(b"GRIB", 0)
    if offset < 0:
        raise IntrinsicFlawError("it has no message")
    while offset >= 0:
        end = offset + _message_size(reader, offset)
        if reader.exact(end - 4, 4, "a message") != b"7777":
            raise StructureError(f"the end marker of its message at byte {offset} is missing")
        offset = reader.find(b"GRIB", end)
    if end < reader.size and b"GRIB".startswith(reader.available(end, 4)):
        raise StructureError("it ends in the middle of a message")


def _message_size(reader: Reader, offset: int) -> int:
    edition = reader.exact(offset + 7, 1, "a message")[0]
    if edition == 2:
        (size,) = reader.unpack(">Q", offset + 8, "a message")
    elif edition == 1:
        size = _number24(reader, offset + 4)
        if size & _LARGE_GRIB1 and (data := _last_section_size(reader, offset)) < 120:
            size = (size & ~_LARGE_GRIB1) * 120 - data + 4
    else:
        raise IntrinsicFlawError(f"its message at byte {offset} is of edition {edition}")
    if size < 16:
        raise IntrinsicFlawError(f"its message at byte {offset} has {size} bytes")
    return int(size)


def _number24(reader: Reader, offset: int) -> int:
    return int.from_bytes(reader.exact(offset, 3, "a message"))


def _last_section_size(reader: Reader, offset: int) -> int:
    """The recorded size of section 4 of a GRIB 1 message: behind section 1, and 2 and 3 if they are there."""
    flags, at = reader.exact(offset + 15, 1, "a message")[0], offset + 8
    for present in (0x80, flags & 0x80, flags & 0x40):
        if present:
            at += _number24(reader, at)
    return _number24(reader, at)


def check_nitf(file: BinaryIO) -> str | None:
    """Check that the file is as long as its header says."""
    return run_check(_examine_nitf, file)


def _examine_nitf(reader: Reader) -> None:
    moved = reader.exact(0, 9) == b"NITF02.00" and reader.exact(280, 6, "its header") == _DOWNGRADED
    text = reader.exact(_NITF_LENGTH + (40 if moved else 0), 12, "its header")
    if not text.isdigit():
        raise IntrinsicFlawError("its header has no length")
    if text != b"9" * 12 and int(text) > reader.size:
        raise StructureError(f"its header says {int(text)} bytes, but there are {reader.size}")


def check_hdf4(file: BinaryIO) -> str | None:
    """Check that every data element lies inside the file."""
    return run_check(_examine_hdf4, file)


def _examine_hdf4(reader: Reader) -> None:
    offset, seen = 4, 0
    while offset:
        count, following = reader.unpack(">HI", offset, "its list of elements")
        block = reader.exact(offset + 6, count * 12, "its list of elements")
        for at in range(0, len(block), 12):
            place = int.from_bytes(block[at + 4 : at + 8])
            size = int.from_bytes(block[at + 8 : at + 12])
            if (
                _UNDEFINED not in (place, size)
                and block[at : at + 2] != b"\0\1"
                and place + size > reader.size
            ):
                raise StructureError(f"an element goes on to byte {place + size} of {reader.size}")
        offset, seen = following, seen + 1
        if seen > MAX_BLOCKS:
            raise IntrinsicFlawError("its lists of elements form a loop")


def check_las(file: BinaryIO) -> str | None:
    """Check that the points, or the table of their compressed chunks, and all records behind are there."""
    return run_check(_examine_las, file)


def _examine_las(reader: Reader) -> None:
    version = reader.exact(24, 2, "its header")
    first, _, kind, width, count = reader.unpack("<IIBHI", 96, "its header")
    records = later = 0
    if version >= b"\1\4":
        later, records, wide = reader.unpack("<QIQ", 235, "its header")
        count = wide or count
    if kind & 0xC0 and count:
        (table,) = reader.unpack("<q", first, "its points")
        if table == -1:
            (table,) = reader.unpack("<q", reader.size - 8)
        reader.exact(table, 8, "its table of chunks")
    elif first + count * width > reader.size:
        raise StructureError(f"its points go on to byte {first + count * width} of {reader.size}")
    for _ in range(min(records, MAX_BLOCKS)):
        (size,) = reader.unpack("<Q", later + 20, "a record behind its points")
        later += 60 + int(size)
        if later > reader.size:
            raise StructureError(f"a record behind its points goes on to byte {later} of {reader.size}")
