"""Parquet: the mark at its end, and the footer before it."""

from __future__ import annotations

from typing import BinaryIO

from .reader import Broken, Reader, verdict


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
    if reader.size < 12 or reader.at(reader.size - 4, 4) not in (b"PAR1", b"PARE"):
        raise Broken("the mark of its end is missing")
    (size,) = reader.unpack("<I", reader.size - 8)
    if not 0 < size <= reader.size - 12:
        raise Broken(f"its footer of {size} bytes does not fit into {reader.size}")
