"""TIFF and BigTIFF in either byte order: every directory, and every strip and tile, inside the file."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import BinaryIO, NamedTuple

from .reader import Broken, Enough, Odd, Reader, verdict

_OFFSETS, _COUNTS = {273: 279, 324: 325}, (279, 325)
_COMPRESSION, _SUBDIRECTORIES = 259, 330
_NUMBERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_KEPT = frozenset({*_OFFSETS, *_COUNTS, _COMPRESSION, _SUBDIRECTORIES})
_SIZES = dict(enumerate((1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), 1)) | {16: 8, 17: 8, 18: 8}
_PRIVATE = 32768
_GEOGRAPHY = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113})
"""Private tags that must be whole too; of the others each program has its own idea."""
_AT_ONCE = 1 << 16
_MOST_ENTRIES = 1 << 16
_MOST_DIRECTORIES = 1 << 16
_FAR = 16
"""Times the bytes that are there, beyond which a directory was hardly ever part of the same file."""


def check_tiff(file: BinaryIO) -> str | None:
    return verdict(_examine_tiff, file)


class _Layout(NamedTuple):
    """How numbers are written: byte order, and the formats of a number of entries, an entry and a pointer."""

    order: str
    number: str
    entry: str
    pointer: str


class _Field(NamedTuple):
    kind: int
    number: int
    value: bytes
    """the value itself where it fits, else the pointer to it"""


def _examine_tiff(reader: Reader) -> None:
    try:
        _walk(reader)
    except Broken as broken:
        if not _began_well(reader):
            raise Odd(*broken.args) from None
        raise


def _began_well(reader: Reader) -> bool:
    """Whether what is there of the first directory, if anything is, looks like one."""
    layout, place = _header(reader)
    if not 8 <= place <= _FAR * reader.size:
        return False
    width, entry = struct.calcsize(layout.order + layout.number), struct.Struct(layout.order + layout.entry)
    count = int.from_bytes(reader.some(place, width), "little" if layout.order == "<" else "big")
    there = reader.some(place + width, min(count, _MOST_ENTRIES) * entry.size)
    fields = list(entry.iter_unpack(there[: len(there) // entry.size * entry.size]))
    tags = [field[0] for field in fields]
    return (
        (count > 0 or place >= reader.size)
        and tags == sorted(tags)
        and _SIZES.keys() >= {f[1] for f in fields}
    )


def _walk(reader: Reader) -> None:
    layout, place = _header(reader)
    if not place:
        raise Broken("it has no directory: it was never finished")
    seen: set[int] = set()
    todo = [place]
    while todo:
        todo += _chain(reader, layout, todo.pop(), seen)
        if len(todo) > _MOST_DIRECTORIES:
            raise Enough


def _header(reader: Reader) -> tuple[_Layout, int]:
    head = reader.at(0, 8, "its header")
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"*\0", b"\0*"):
        return _Layout(order, "H", "HHI4s", "I"), struct.unpack(f"{order}I", head[4:])[0]
    size, _, place = reader.unpack(f"{order}HHQ", 4, "its header")
    if size != 8:
        raise Broken(f"its offsets have {size} bytes, should be 8")
    return _Layout(order, "Q", "HHQ8s", "Q"), place


def _chain(reader: Reader, layout: _Layout, place: int, seen: set[int]) -> list[int]:
    """Check a directory and those after it; returns where their subdirectories are."""
    below: list[int] = []
    if place in seen:
        return below
    while place:
        if place in seen:
            raise Broken(f"its directories go in a circle at byte {place}")
        seen.add(place)
        fields, place = _directory(reader, layout, place)
        _check_data(reader, layout, fields)
        if _SUBDIRECTORIES in fields:
            below += _subdirectories(reader, layout, fields[_SUBDIRECTORIES])
        if len(seen) + len(below) > _MOST_DIRECTORIES:
            raise Enough
    return below


def _subdirectories(reader: Reader, layout: _Layout, field: _Field) -> list[int]:
    if field.number > _MOST_DIRECTORIES:
        raise Enough
    return [place for block in _numbers(reader, layout, field) for place in block if place]


def _directory(reader: Reader, layout: _Layout, place: int) -> tuple[dict[int, _Field], int]:
    """The fields that matter here, and where the next directory is."""
    what = "a directory"
    (count,) = reader.unpack(layout.order + layout.number, place, what)
    if not 0 < count < _MOST_ENTRIES:
        raise Broken(f"its directory at byte {place} has {count} entries")
    place += struct.calcsize(layout.order + layout.number)
    entry = struct.Struct(layout.order + layout.entry)
    fields = {}
    for tag, kind, number, value in entry.iter_unpack(reader.at(place, count * entry.size, what)):
        if tag in _KEPT:
            fields[tag] = _Field(kind, number, value)
        elif tag < _PRIVATE or tag in _GEOGRAPHY:
            _check_value(reader.size, layout, tag, _Field(kind, number, value))
    (following,) = reader.unpack(layout.order + layout.pointer, place + count * entry.size, what)
    return fields, following


def _check_value(size: int, layout: _Layout, tag: int, field: _Field) -> None:
    needed = _SIZES.get(field.kind, 0) * field.number
    if needed > len(field.value):
        (place,) = struct.unpack(layout.order + layout.pointer, field.value)
        if place + needed > size:
            raise Broken(f"the value of tag {tag} goes on to byte {place + needed} of {size}")


def _numbers(reader: Reader, layout: _Layout, field: _Field) -> Iterator[tuple[int, ...]]:
    """The numbers of a field, so many at a time."""
    if (code := _NUMBERS.get(field.kind)) is None:
        return
    size = struct.calcsize(f"{layout.order}{code}")
    if field.number * size <= len(field.value):
        yield struct.unpack_from(f"{layout.order}{field.number}{code}", field.value)
        return
    (place,) = struct.unpack(layout.order + layout.pointer, field.value)
    what = "a list of strips or tiles"
    if place + field.number * size > reader.size:
        raise Broken(f"{what} goes on to byte {place + field.number * size} of {reader.size}")
    for first in range(0, field.number, _AT_ONCE):
        number = min(_AT_ONCE, field.number - first)
        yield reader.unpack(f"{layout.order}{number}{code}", place + first * size, what)


def _check_data(reader: Reader, layout: _Layout, fields: dict[int, _Field]) -> None:
    """Strips or tiles end inside the file. One of no bytes is a hole, which GDAL leaves where nothing is.

    The oldest sort of JPEG inside TIFF was never agreed on: its offsets say little.
    """
    compression = fields.get(_COMPRESSION)
    if compression is not None and compression.value[:2] in (b"\6\0", b"\0\6"):
        return
    for tag, other in _OFFSETS.items():
        if tag in fields:
            offsets = _numbers(reader, layout, fields[tag])
            counts = _numbers(reader, layout, fields[other]) if other in fields else iter(())
            _check_pieces(reader.size, offsets, counts)


def _check_pieces(size: int, offsets: Iterator[tuple[int, ...]], counts: Iterator[tuple[int, ...]]) -> None:
    before = 0
    for places, sizes in zip_longest(offsets, counts, fillvalue=()):
        ends = list(map(operator.add, places, sizes)) if len(places) == len(sizes) else list(places)
        if max(ends, default=0) > size:
            number = next(n for n, end in enumerate(ends) if end > size)
            raise Broken(f"strip or tile {before + number} goes on to byte {ends[number]} of {size}")
        before += len(ends)
