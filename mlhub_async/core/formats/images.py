"""JPEG: its segments up to the image, and the mark of its end."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from .reader import Broken, Odd, Reader, verdict

_END, _SCAN = 0xD9, 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_JPEG_TAIL = 64 << 10

_START, _PART, _JP2_END = b"\xff\x4f", b"\xff\x90", b"\xff\xd9"


def check_jpeg(file: BinaryIO) -> str | None:
    return verdict(_examine_jpeg, file)


def _examine_jpeg(reader: Reader) -> None:
    place = _first_scan(reader)
    # The mark cannot come up in an image by chance: there every FF is followed by a zero.
    tail = max(place, reader.size - _JPEG_TAIL)
    if reader.find(b"\xff\xd9", tail) < 0 and reader.find(b"\xff\xd9", place) < 0:
        raise Broken("the mark of its end is missing")


def _first_scan(reader: Reader) -> int:
    """Where the image itself begins."""
    place, what = 2, "its header"
    while True:
        mark, code = reader.at(place, 2, what)
        if mark != 0xFF:
            raise Odd(f"its header is damaged at byte {place}")
        if code == 0xFF:
            place += 1
        elif code in _WITHOUT_LENGTH:
            place += 2
        elif code == _END:
            raise Odd("it ends before any image")
        else:
            (size,) = reader.unpack(">H", place + 2, what)
            if size < 2:
                raise Odd(f"its header is damaged at byte {place}")
            place += 2 + int(size)
            if code == _SCAN:
                return place


def check_png(file: BinaryIO) -> str | None:
    return verdict(_examine_png, file)


def _examine_png(reader: Reader) -> None:
    size, name, *_ = reader.unpack(">I4s", 8, "its header")
    if name != b"IHDR" or size != 13:
        raise Odd("its header is missing")
    (digest,) = reader.unpack(">I", 8 + 8 + 13, "its header")
    if zlib.crc32(reader.at(12, 4 + 13)) != digest:
        raise Odd("its header is damaged")
    place, image = 8, False
    while name != b"IEND":
        size, name = reader.unpack(">I4s", place, "the chain of its chunks")
        if not name.isalpha():
            raise Odd(f"the chain of its chunks is damaged at byte {place}")
        place += 12 + int(size)
        if place > reader.size:
            raise Broken(f"a chunk {name.decode('ascii')} goes on to byte {place} of {reader.size}")
        image |= name == b"IDAT"
    if not image:
        raise Broken("it has no image")


def check_jp2(file: BinaryIO) -> str | None:
    return verdict(_examine_jp2, file)


def _examine_jp2(reader: Reader) -> None:
    if reader.at(0, 2) == _START:
        _check_stream(reader, 0, reader.size)
        return
    place, image = 0, False
    while place + 8 <= reader.size:
        name, first, end = _box(reader, place)
        if name == b"jp2c":
            _check_stream(reader, first, end)
        image |= name in (b"jp2c", b"ftbl")
        place = end
    if not image:
        raise Broken("it has no image")


def _box(reader: Reader, place: int) -> tuple[bytes, int, int]:
    """Name, and where its content begins and ends. Length 0: all the rest; 1: it follows."""
    size, name = reader.unpack(">I4s", place)
    first = place + 8
    if size == 1:
        (size,) = reader.unpack(">Q", first)
        first += 8
    end = place + int(size) if size else reader.size
    if end < first:
        raise Broken(f"the chain of its boxes is damaged at byte {place}")
    if end > reader.size:
        raise Broken(f"a box {name.decode('latin-1')!a} goes on to byte {end} of {reader.size}")
    return name, first, end


def _check_stream(reader: Reader, place: int, end: int) -> None:
    if reader.at(place, 2) != _START:
        raise Broken(f"no image begins at byte {place}")
    place = _first_part(reader, place + 2)
    while (mark := reader.at(place, 2, "its image")) == _PART:
        (size,) = reader.unpack(">I", place + 6, "its image")
        if size == 0:  # the last one: up to the end
            place = max(end - 2, place + 12)
        elif size < 14:
            raise Broken(f"its image is damaged at byte {place}")
        else:
            place += int(size)
        if place > end:
            raise Broken(f"a part of a tile goes on to byte {place}, its image ends at {end}")
    if mark != _JP2_END:
        raise Broken("the mark of its end is missing")


def _first_part(reader: Reader, place: int) -> int:
    """Behind the segments of the main header."""
    while (mark := reader.at(place, 2, "its header")) != _PART:
        (size,) = reader.unpack(">H", place + 2, "its header")
        if mark[0] != 0xFF or mark == _JP2_END or size < 2:
            raise Broken(f"its header is damaged at byte {place}")
        place += 2 + int(size)
    return place
