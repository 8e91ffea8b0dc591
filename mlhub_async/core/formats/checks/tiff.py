"""Checks the structure of TIFF and BigTIFF files: every directory, strip and tile lies inside the file."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import BinaryIO, NamedTuple

from ... import pattern_on_use
from .reader import IntrinsicFlawError, Reader, StructureError, WorkLimitError, run_check

_OFFSETS, _COUNTS = {273: 279, 324: 325}, (279, 325)
_COMPRESSION, _SUBDIRECTORIES, _DESCRIPTION, _BITS = 259, 330, 270, 258
_NUMBER_LAYOUTS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_USED_TAGS = frozenset({*_OFFSETS, *_COUNTS, _COMPRESSION, _SUBDIRECTORIES, _DESCRIPTION, _BITS})
_UNCHECKED_TAGS = _USED_TAGS - {_DESCRIPTION}
_TYPE_SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | {16: 8, 17: 8, 18: 8}
_FIRST_PRIVATE_TAG = 32768
_GEOGRAPHIC_TAGS = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113})
"""Private tags whose values are checked too. What the others mean depends on the program that wrote them."""
NUMBERS_PER_READ = 1 << 16
MAX_ENTRIES = 1 << 16
MAX_DIRECTORIES = 1 << 16
MAX_DESCRIPTION_BYTES = 4 << 10
MAX_MISSING_FACTOR = 16
"""A first directory beyond so many times the present size is a wrong pointer, not a sign of truncation."""

_BLOCK_TRAILER = b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED"
"""GDAL tells so behind the header of a cloud-optimized file: four bytes follow each strip or tile."""
_EDITED = b"KNOWN_INCOMPATIBLE_EDITION=YES"
_IMAGEJ_FRAMES = pattern_on_use(rb"ImageJ=[^\0]*?\nimages=(\d{1,9})\n")
_SHAPE = pattern_on_use(rb'\{"shape": \[([\d, ]{1,200})\][^\0]*?"truncated": true')


def check_tiff(file: BinaryIO) -> str | None:
    """Check all directories and subdirectories, in either byte order."""
    return run_check(_examine_tiff, file)


class _Layout(NamedTuple):
    """`struct` layouts: the byte order, and the number of entries, an entry and a pointer."""

    order: str
    number: str
    entry: str
    pointer: str
    trailer: int = 0
    """bytes that follow each strip or tile"""


class _Field(NamedTuple):
    """An entry of a directory: data type, number of values, and the value or pointer."""

    kind: int
    number: int
    value: bytes
    """the value itself where it fits, else the pointer to it"""


def _examine_tiff(reader: Reader) -> None:
    try:
        _check_directories(reader)
    except StructureError as error:
        if not _has_valid_beginning(reader):
            raise IntrinsicFlawError(*error.args) from None
        raise


def _has_valid_beginning(reader: Reader) -> bool:
    """Whether the part of the first directory that is present, if any is, is valid."""
    layout, offset = _header(reader)
    if not 8 <= offset <= MAX_MISSING_FACTOR * reader.size:
        return False
    width, entry = struct.calcsize(layout.order + layout.number), struct.Struct(layout.order + layout.entry)
    count = int.from_bytes(reader.available(offset, width), "little" if layout.order == "<" else "big")
    present = reader.available(offset + width, min(count, MAX_ENTRIES) * entry.size)
    fields = list(entry.iter_unpack(present[: len(present) // entry.size * entry.size]))
    tags = [field[0] for field in fields]
    return (
        (count > 0 or offset >= reader.size)
        and tags == sorted(tags)
        and _TYPE_SIZES.keys() >= {f[1] for f in fields}
    )


def _check_directories(reader: Reader) -> None:
    layout, offset = _header(reader)
    if not offset:
        raise StructureError("it has no directory: it was never finished")
    seen: set[int] = set()
    pending = [offset]
    while pending:
        pending += _chain(reader, layout, pending.pop(), seen)
        if len(pending) > MAX_DIRECTORIES:
            raise WorkLimitError


def _header(reader: Reader) -> tuple[_Layout, int]:
    head = reader.exact(0, 8, "its header")
    order = "<" if head[:2] == b"II" else ">"
    told = reader.available(8, 512)
    trailer = 4 if _BLOCK_TRAILER in told and _EDITED not in told else 0
    if head[2:4] in (b"*\0", b"\0*"):
        return _Layout(order, "H", "HHI4s", "I", trailer), struct.unpack(f"{order}I", head[4:])[0]
    size, _, offset = reader.unpack(f"{order}HHQ", 4, "its header")
    if size != 8:
        raise StructureError(f"its offsets have {size} bytes, should be 8")
    return _Layout(order, "Q", "HHQ8s", "Q", trailer), offset


def _chain(reader: Reader, layout: _Layout, offset: int, seen: set[int]) -> list[int]:
    """Check a directory and those linked after it; returns the offsets of their subdirectories."""
    below: list[int] = []
    if offset in seen:
        return below
    while offset:
        if offset in seen:
            raise StructureError(f"its directories form a loop at byte {offset}")
        seen.add(offset)
        begin = offset
        fields, offset = _directory(reader, layout, offset)
        _check_data(reader, layout, fields)
        if len(seen) == 1 and not offset and _SUBDIRECTORIES not in fields:
            _check_stack(reader, layout, begin, fields)
        if _SUBDIRECTORIES in fields:
            below += _subdirectories(reader, layout, fields[_SUBDIRECTORIES])
        if len(seen) + len(below) > MAX_DIRECTORIES:
            raise WorkLimitError
    return below


def _subdirectories(reader: Reader, layout: _Layout, field: _Field) -> list[int]:
    if field.number > MAX_DIRECTORIES:
        raise WorkLimitError
    return [offset for block in _numbers(reader, layout, field) for offset in block if offset]


def _directory(reader: Reader, layout: _Layout, offset: int) -> tuple[dict[int, _Field], int]:
    """The fields by tag that locate data, and the offset of the next directory, 0 if it is the last one."""
    what = "a directory"
    (count,) = reader.unpack(layout.order + layout.number, offset, what)
    if not 0 < count < MAX_ENTRIES:
        raise StructureError(f"its directory at byte {offset} has {count} entries")
    offset += struct.calcsize(layout.order + layout.number)
    entry = struct.Struct(layout.order + layout.entry)
    fields = {}
    for tag, kind, number, value in entry.iter_unpack(reader.exact(offset, count * entry.size, what)):
        if tag in _USED_TAGS:
            fields[tag] = _Field(kind, number, value)
        if tag in _UNCHECKED_TAGS:
            continue
        if tag < _FIRST_PRIVATE_TAG or tag in _GEOGRAPHIC_TAGS:
            _check_value(reader.size, layout, tag, _Field(kind, number, value))
    (following,) = reader.unpack(layout.order + layout.pointer, offset + count * entry.size, what)
    return fields, following


def _check_value(size: int, layout: _Layout, tag: int, field: _Field) -> None:
    needed = _TYPE_SIZES.get(field.kind, 0) * field.number
    if needed > len(field.value):
        (offset,) = struct.unpack(layout.order + layout.pointer, field.value)
        if offset + needed > size:
            raise StructureError(f"the value of tag {tag} goes on to byte {offset + needed} of {size}")


def _numbers(reader: Reader, layout: _Layout, field: _Field) -> Iterator[tuple[int, ...]]:
    """The numbers of a field, `NUMBERS_PER_READ` at a time. None at all for a type that is no integer."""
    if (code := _NUMBER_LAYOUTS.get(field.kind)) is None:
        return
    size = struct.calcsize(f"{layout.order}{code}")
    if field.number * size <= len(field.value):
        yield struct.unpack_from(f"{layout.order}{field.number}{code}", field.value)
        return
    (offset,) = struct.unpack(layout.order + layout.pointer, field.value)
    what = "a list of strips or tiles"
    if offset + field.number * size > reader.size:
        raise StructureError(f"{what} goes on to byte {offset + field.number * size} of {reader.size}")
    for first in range(0, field.number, NUMBERS_PER_READ):
        number = min(NUMBERS_PER_READ, field.number - first)
        yield reader.unpack(f"{layout.order}{number}{code}", offset + first * size, what)


def _check_data(reader: Reader, layout: _Layout, fields: dict[int, _Field]) -> None:
    """Check that all strips or tiles end inside the file. One of no bytes is a hole in a sparse file of GDAL.

    Old-style JPEG (compression 6) is not checked: programs disagree about the meaning of its offsets.
    """
    compression = fields.get(_COMPRESSION)
    if compression is not None and compression.value[:2] in (b"\6\0", b"\0\6"):
        return
    for tag, other in _OFFSETS.items():
        if tag in fields:
            offsets = _numbers(reader, layout, fields[tag])
            counts = _numbers(reader, layout, fields[other]) if other in fields else iter(())
            _check_ends(reader.size, offsets, counts, layout.trailer)


def _check_ends(
    size: int, offsets: Iterator[tuple[int, ...]], counts: Iterator[tuple[int, ...]], trailer: int
) -> None:
    before = 0
    for places, sizes in zip_longest(offsets, counts, fillvalue=()):
        ends = list(map(operator.add, places, sizes)) if len(places) == len(sizes) else list(places)
        if (last := max(ends, default=0)) and last + trailer > size:
            number = next(n for n, end in enumerate(ends) if end and end + trailer > size)
            end = ends[number] + trailer
            raise StructureError(f"strip or tile {before + number} goes on to byte {end} of {size}")
        before += len(ends)


def _check_stack(reader: Reader, layout: _Layout, begin: int, fields: dict[int, _Field]) -> None:
    """Check that all images of a stack are there of which only the first one, at `begin`, has a directory.

    ImageJ and tifffile write them one behind the other. Other programs copy the description that tells
    their number: their file ends with the first image, or has its directory behind it.
    """
    compression = fields.get(_COMPRESSION)
    if _DESCRIPTION not in fields or (compression and compression.value[:2] not in (b"\1\0", b"\0\1")):
        return
    places, sizes = (
        next(_numbers(reader, layout, fields[tag]), ()) if tag in fields else () for tag in (273, 279)
    )
    size = sum(sizes)
    if not size or any(map(operator.ne, places[1:], map(operator.add, places, sizes))):
        return
    needed = places[0] + _stack_size(reader, layout, fields, size)
    if begin < places[0] and places[0] + size + 16 < reader.size < needed:
        raise StructureError(f"its images go on to byte {needed} of {reader.size}")


def _stack_size(reader: Reader, layout: _Layout, fields: dict[int, _Field], size: int) -> int:
    """The bytes of all images, as the description tells; `size`: of the first."""
    field = fields[_DESCRIPTION]
    text = field.value
    if field.number > len(text):
        (offset,) = struct.unpack(layout.order + layout.pointer, text)
        text = reader.available(offset, min(field.number, MAX_DESCRIPTION_BYTES))
    if found := _IMAGEJ_FRAMES.match(text):
        return size * int(found[1])
    if (found := _SHAPE.match(text)) and _BITS in fields:
        bits = next(_numbers(reader, layout, fields[_BITS]), (0,))
        return math.prod(map(int, found[1].split(b","))) * bits[0] // 8
    return size
