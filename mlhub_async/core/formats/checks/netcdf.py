"""Checks the structure of NetCDF (CDF-1, CDF-2, CDF-5) and HDF5 files."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from .reader import Reader, StructureError, run_check

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
MAX_RANK = 1024
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_netcdf(file: BinaryIO) -> str | None:
    """Check the header, and that every variable ends inside the file."""
    return run_check(_examine_netcdf, file)


class _Variable(NamedTuple):
    begin: int
    size: int
    """in bytes; of one record where `by_record`"""
    by_record: bool


@dataclass(slots=True)
class _Header:
    """The header, read in order. The layouts are those of `struct` for counts and for offsets."""

    reader: Reader
    offset: int
    count_layout: str
    offset_layout: str

    def number(self, layout: str = "") -> int:
        layout = layout or self.count_layout
        (value,) = self.reader.unpack(layout, self.offset, "its header")
        self.offset += struct.calcsize(layout)
        return int(value)

    def skip(self, size: int) -> None:
        """Skip so many bytes, and the padding to a multiple of four."""
        self.offset += -(-size // 4) * 4

    def list_length(self, tag: int) -> int:
        """The number of elements of the list that begins here."""
        found, count = self.number(">I"), self.number()
        if found not in (0, tag) or (not found and count):
            raise StructureError(f"its header is damaged before byte {self.offset}")
        return count


def _examine_netcdf(reader: Reader) -> None:
    version = reader.exact(3, 1)[0]
    header = _Header(reader, 4, ">Q" if version == 5 else ">I", ">I" if version == 1 else ">Q")
    records = header.number()
    dimensions = []
    for _ in range(header.list_length(_DIMENSIONS)):
        header.skip(header.number())
        dimensions.append(header.number())
    _skip_attributes(header)
    variables = [_variable(header, dimensions) for _ in range(header.list_length(_VARIABLES))]
    streamed = records == (1 << 64) - 1 if version == 5 else records == (1 << 32) - 1
    _check_ends(reader.size, variables, 0 if streamed else records)


def _skip_attributes(header: _Header) -> None:
    for _ in range(header.list_length(_ATTRIBUTES)):
        header.skip(header.number())
        kind = header.number(">I")
        header.skip(header.number() * _size_of(kind, header))


def _size_of(kind: int, header: _Header) -> int:
    if kind not in _TYPE_SIZES:
        raise StructureError(f"its header has a type {kind} before byte {header.offset}")
    return _TYPE_SIZES[kind]


def _variable(header: _Header, dimensions: list[int]) -> _Variable:
    header.skip(header.number())
    rank = header.number()
    if rank > MAX_RANK:
        raise StructureError(f"it has a variable of {rank} dimensions")
    ids = [header.number() for _ in range(rank)]
    if any(one >= len(dimensions) for one in ids):
        raise StructureError("it has a variable of a dimension that is not there")
    _skip_attributes(header)
    size = _size_of(header.number(">I"), header)
    header.number()  # the recorded size, which is wrong for variables of 4 GiB or more
    shape = [dimensions[one] for one in ids]
    by_record = bool(shape) and shape[0] == 0
    return _Variable(header.number(header.offset_layout), size * math.prod(shape[by_record:]), by_record)


def _check_ends(size: int, variables: list[_Variable], records: int) -> None:
    """Records are stored one after the other, each with its values of all record variables."""
    growing = [one.size for one in variables if one.by_record]
    step = growing[0] if len(growing) == 1 else sum(-(-one // 4) * 4 for one in growing)
    for one in variables:
        if one.by_record and not records:
            continue
        end = one.begin + one.size + (step * (records - 1) if one.by_record else 0)
        if end > size:
            raise StructureError(f"a variable goes on to byte {min(end, 1 << 64)} of {size}")


_SUPERBLOCK_OFFSETS = (0, *(512 << n for n in range(12)))
"""The superblock may come after a user block, at powers of two from 512."""
_FAMILY_DRIVER, _MULTI_DRIVER = b"NCSAfami", b"NCSAmult"
_WIDTHS = {2: "H", 4: "I", 8: "Q"}


def check_hdf5(file: BinaryIO) -> str | None:
    """Check that the file is as long as its superblock says."""
    return run_check(_examine_hdf5, file)


def _examine_hdf5(reader: Reader) -> None:
    offset = next((at for at in _SUPERBLOCK_OFFSETS if reader.available(at, 8) == SIGNATURE), None)
    if offset is None:
        raise StructureError("its superblock is missing")
    version = reader.exact(offset + 8, 1)[0]
    addresses = _addresses(reader, offset, version)
    if addresses is None:
        return
    base, end = addresses
    # Where the superblock is not at its base address, the HDF5 library moves the end address likewise.
    end += offset - base
    if end > reader.size:
        raise StructureError(f"its superblock says that it ends at byte {end}, but there are {reader.size}")


def _addresses(reader: Reader, offset: int, version: int) -> tuple[int, int] | None:
    """Base address and end address; None where they tell nothing."""
    if version > 3:
        return None
    old = version < 2
    width = reader.exact(offset + (13 if old else 9), 1)[0]
    if width not in _WIDTHS:
        raise StructureError(f"its addresses have {width} bytes")
    first = offset + (24, 28, 12, 12)[version]
    base, other, end, last = reader.unpack(f"<4{_WIDTHS[width]}", first, "its superblock")
    undefined = (1 << 8 * width) - 1
    if end == undefined:
        return None
    driver = last if old else other
    if driver != undefined:
        known, member = _member_size(reader, offset + int(driver), 0 if old else 2)
        if member:
            return int(base), min(int(end), member)
        if old or known:
            return None
    root = other if old else last
    if not old and root != undefined and root >= end:
        raise StructureError(f"its root is at byte {root}, behind its end at {end}")
    return int(base), int(end)


def _member_size(reader: Reader, offset: int, gap: int) -> tuple[bool, int]:
    """Whether a driver of several files is named at `offset`, and the size that each file has, if fixed.

    `gap`: bytes between the name and its first number.
    """
    reader.exact(offset, 16, "its driver")
    found = reader.available(offset, 512)
    at = found.find(_FAMILY_DRIVER)
    if at < 0:
        return _MULTI_DRIVER in found, 0
    reader.exact(offset + at, 16 + gap, "its driver")
    return True, int.from_bytes(found[at + 8 + gap : at + 16 + gap], "little")
