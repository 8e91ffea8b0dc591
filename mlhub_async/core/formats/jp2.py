"""JPEG 2000, in its boxes or as a bare codestream: every box and every part of a tile inside the file."""

from __future__ import annotations

from typing import BinaryIO

from .reader import Broken, Reader, verdict

_START, _PART, _END = b"\xff\x4f", b"\xff\x90", b"\xff\xd9"


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
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
    if mark != _END:
        raise Broken("the mark of its end is missing")


def _first_part(reader: Reader, place: int) -> int:
    """Behind the segments of the main header."""
    while (mark := reader.at(place, 2, "its header")) != _PART:
        (size,) = reader.unpack(">H", place + 2, "its header")
        if mark[0] != 0xFF or mark == _END or size < 2:
            raise Broken(f"its header is damaged at byte {place}")
        place += 2 + int(size)
    return place
