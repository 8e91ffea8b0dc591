"""JPEG: its segments up to the image, and the mark of its end."""

from __future__ import annotations

from typing import BinaryIO

from .reader import Broken, Odd, Reader, verdict

_END, _SCAN = 0xD9, 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_TAIL = 64 << 10


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
    place = _first_scan(reader)
    # The mark cannot come up in an image by chance: there every FF is followed by a zero.
    tail = max(place, reader.size - _TAIL)
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
