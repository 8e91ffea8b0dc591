"""PNG: the chain of its chunks, from the header to the end."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from .reader import Broken, Odd, Reader, verdict


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
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
