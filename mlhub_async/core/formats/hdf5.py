"""HDF5, and with it NetCDF 4: the superblock says where the file ends."""

from __future__ import annotations

from typing import BinaryIO

from .reader import Broken, Reader, verdict

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PLACES = (0, *(512 << n for n in range(12)))
"""The superblock may stand behind a block of the user's own, at powers of two."""
_WIDTHS = {2: "H", 4: "I", 8: "Q"}


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
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
