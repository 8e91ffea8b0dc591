"""Hides seeking, the end of the file and the limits of work: a check asks for bytes at a place, no more.

Every check is given files that anybody may have made. It reads little at a time, and what it may read in
all is bounded; a loop in a file costs as much as a file that is long.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

MAX_WORK = 64 << 20
"""Bytes that one check may read, each read counted as READ more: seconds, whatever the file says."""
MAX_READ = 64
BLOCK = 1 << 20


class Broken(Exception):
    """The verdict of a check: what is wrong with the file, in words for people."""


class Odd(Broken):
    """A flaw that no missing end explains: by all that can be seen the file was made like that."""


class Strange(str):
    """The words for an `Odd` file."""


class Enough(Exception):
    """There is more to check than is worth it. What was looked at is right."""


class Reader:
    """A file that can be read at any place. `size` is that of the whole of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self._left = MAX_WORK

    def at(self, place: int, size: int, what: str = "its structure") -> bytes:
        """These very bytes; `Broken` where the file ends before them."""
        if place < 0 or place + size > self.size:
            raise Broken(f"{what} goes on to byte {place + size} of {self.size}")
        return self._read(place, size)

    def some(self, place: int, size: int) -> bytes:
        """As many of these bytes as there are."""
        place = min(max(place, 0), self.size)
        return self._read(place, min(size, self.size - place))

    def unpack(self, layout: str, place: int, what: str = "its structure") -> tuple[Any, ...]:
        return struct.unpack(layout, self.at(place, struct.calcsize(layout), what))

    def find(self, wanted: bytes, place: int) -> int:
        """Where these bytes come first from a place on; -1 if nowhere."""
        while place < self.size:
            block = self.some(place, BLOCK)
            if (found := block.find(wanted)) >= 0:
                return place + found
            place += max(len(block) - len(wanted) + 1, 1)
        return -1

    def _read(self, place: int, size: int) -> bytes:
        self._left -= size + MAX_READ
        if self._left < 0:
            raise Enough
        self._file.seek(place)
        data = self._file.read(size)
        while len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        if len(data) < size:
            raise Broken(f"it became shorter than {place + size} bytes while it was read")
        return data


def verdict(look: Callable[[Reader], None], file: BinaryIO) -> str | None:
    """What a look at a file comes to: None if nothing is wrong with it."""
    try:
        look(Reader(file))
    except Odd as odd:
        return Strange(odd)
    except Broken as broken:
        return str(broken)
    except Enough:
        return None
    return None
