"""Checks the structure of FlatGeobuf, PMTiles and shapefiles."""

from __future__ import annotations

from typing import BinaryIO

from .flatbuffer import Table
from .reader import IntrinsicFlawError, Reader, StructureError, run_check

_FEATURES_COUNT, _NODE_SIZE = 8, 9
"""The numbers of two fields of the header of FlatGeobuf."""
_NODE_BYTES = 40
MAX_HEADER_BYTES = 16 << 20


def check_flatgeobuf(file: BinaryIO) -> str | None:
    """Check that the last feature of the index ends inside the file; without an index, that each one does."""
    return run_check(_examine_flatgeobuf, file)


def _examine_flatgeobuf(reader: Reader) -> None:
    (size,) = reader.unpack("<I", 8, "its header")
    if size > MAX_HEADER_BYTES:
        raise IntrinsicFlawError(f"its header has {size} bytes")
    header = Table(reader.exact(12, size, "its header"))
    count, node = header.number(_FEATURES_COUNT, 8), header.number(_NODE_SIZE, 2, 16)
    begin, what = 12 + int(size), "a feature"
    if count and node:
        begin += _NODE_BYTES * _nodes(count, node)
        (last,) = reader.unpack("<Q", begin - 8, "its index")
        reader.exact(begin + last, 4, what)
        offset, count = begin + last, 1
    else:
        offset = begin
    while offset < reader.size if not count else count > 0:
        (size,) = reader.unpack("<I", offset, what)
        offset += 4 + int(size)
        if offset > reader.size:
            raise StructureError(f"{what} goes on to byte {offset} of {reader.size}")
        if count and not (count := count - 1):
            return


def _nodes(count: int, width: int) -> int:
    """How many nodes the index of so many features has."""
    if width < 2:
        raise IntrinsicFlawError(f"its index has nodes of {width}")
    total = count
    while count > 1:
        count = -(-count // width)
        total += count
    return total


def check_pmtiles(file: BinaryIO) -> str | None:
    """Check that directories, metadata and tiles lie inside the file (version 3)."""
    return run_check(_examine_pmtiles, file)


def _examine_pmtiles(reader: Reader) -> None:
    version = reader.exact(7, 1, "its header")[0]
    if version != 3:
        return
    numbers = reader.unpack("<8Q", 8, "its header")
    names = ("its root directory", "its metadata", "its leaf directories", "its tiles")
    for name, offset, size in zip(names, numbers[::2], numbers[1::2], strict=True):
        if offset + size > reader.size:
            raise StructureError(f"{name} go on to byte {offset + size} of {reader.size}")


def check_shapefile(file: BinaryIO) -> str | None:
    """Check that a .shp or .shx file is as long as its header says."""
    return run_check(_examine_shapefile, file)


def _examine_shapefile(reader: Reader) -> None:
    (words,) = reader.unpack(">I", 24, "its header")
    reader.exact(0, 100, "its header")
    if words * 2 > reader.size:
        raise StructureError(f"its header says {words * 2} bytes, but there are {reader.size}")
