"""NetCDF's classic formats (CDF-1, CDF-2, CDF-5): the header, and the end of every variable."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from .reader import Broken, Reader, verdict

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_MOST_DIMENSIONS = 1024
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_netcdf(file: BinaryIO) -> str | None:
    return verdict(_examine_netcdf, file)


class _Variable(NamedTuple):
    begin: int
    size: int
    """bytes, in one record where `by_record`"""
    by_record: bool


@dataclass(slots=True)
class _Header:
    """The header, read from its front to its end. `wide`: how counts are written, `far`: offsets."""

    reader: Reader
    place: int
    wide: str
    far: str

    def number(self, layout: str = "") -> int:
        layout = layout or self.wide
        (value,) = self.reader.unpack(layout, self.place, "its header")
        self.place += struct.calcsize(layout)
        return int(value)

    def skip(self, size: int) -> None:
        self.place += -(-size // 4) * 4

    def many(self, tag: int) -> int:
        """How many elements the list that comes now has."""
        found, count = self.number(">I"), self.number()
        if found not in (0, tag) or (not found and count):
            raise Broken(f"its header is damaged before byte {self.place}")
        return count


def _examine_netcdf(reader: Reader) -> None:
    version = reader.at(3, 1)[0]
    header = _Header(reader, 4, ">Q" if version == 5 else ">I", ">I" if version == 1 else ">Q")
    records = header.number()
    dimensions = []
    for _ in range(header.many(_DIMENSIONS)):
        header.skip(header.number())
        dimensions.append(header.number())
    _attributes(header)
    variables = [_variable(header, dimensions) for _ in range(header.many(_VARIABLES))]
    streamed = records == (1 << 64) - 1 if version == 5 else records == (1 << 32) - 1
    _check_ends(reader.size, variables, 0 if streamed else records)


def _attributes(header: _Header) -> None:
    for _ in range(header.many(_ATTRIBUTES)):
        header.skip(header.number())
        kind = header.number(">I")
        header.skip(header.number() * _size_of(kind, header))


def _size_of(kind: int, header: _Header) -> int:
    if kind not in _SIZES:
        raise Broken(f"its header has a type {kind} before byte {header.place}")
    return _SIZES[kind]


def _variable(header: _Header, dimensions: list[int]) -> _Variable:
    header.skip(header.number())
    rank = header.number()
    if rank > _MOST_DIMENSIONS:
        raise Broken(f"it has a variable of {rank} dimensions")
    ids = [header.number() for _ in range(rank)]
    if any(one >= len(dimensions) for one in ids):
        raise Broken("it has a variable of a dimension that is not there")
    _attributes(header)
    size = _size_of(header.number(">I"), header)
    header.number()  # the size as written, which has no room for large variables
    shape = [dimensions[one] for one in ids]
    by_record = bool(shape) and shape[0] == 0
    return _Variable(header.number(header.far), size * math.prod(shape[by_record:]), by_record)


def _check_ends(size: int, variables: list[_Variable], records: int) -> None:
    """Records are stored one after the other, each with a part of every variable that grows by record."""
    growing = [one.size for one in variables if one.by_record]
    step = growing[0] if len(growing) == 1 else sum(-(-one // 4) * 4 for one in growing)
    for one in variables:
        if one.by_record and not records:
            continue
        end = one.begin + one.size + (step * (records - 1) if one.by_record else 0)
        if end > size:
            raise Broken(f"a variable goes on to byte {min(end, 1 << 64)} of {size}")


_PLACES = (0, *(512 << n for n in range(12)))
"""The superblock may stand behind a block of the user's own, at powers of two."""
_WIDTHS = {2: "H", 4: "I", 8: "Q"}


def check_hdf5(file: BinaryIO) -> str | None:
    return verdict(_examine_hdf5, file)


def _examine_hdf5(reader: Reader) -> None:
    place = next((at for at in _PLACES if reader.some(at, 8) == SIGNATURE), None)
    if place is None:
        raise Broken("its superblock is missing")
    version = reader.at(place + 8, 1)[0]
    addresses = _addresses(reader, place, version)
    if addresses is None:
        return
    base, end = addresses
    # The library moves both by as much as the superblock was moved.
    end += place - base
    if end > reader.size:
        raise Broken(f"its superblock says that it ends at byte {end}, but there are {reader.size}")


def _addresses(reader: Reader, place: int, version: int) -> tuple[int, int] | None:
    """Base and end; None where the file is one of a family, or of a version that we do not know."""
    if version > 3:
        return None
    old = version < 2
    width = reader.at(place + (13 if old else 9), 1)[0]
    if width not in _WIDTHS:
        raise Broken(f"its addresses have {width} bytes")
    first = place + (24, 28, 12, 12)[version]
    base, other, end, last = reader.unpack(f"<4{_WIDTHS[width]}", first, "its superblock")
    undefined = (1 << 8 * width) - 1
    if end == undefined or (old and last != undefined):
        return None
    root = other if old else last
    if not old and root != undefined and root >= end:
        raise Broken(f"its root is at byte {root}, behind its end at {end}")
    return int(base), int(end)
