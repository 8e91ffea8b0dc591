"""Checks the structure of JPEG, PNG and JPEG 2000 files."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from .reader import IntrinsicFlawError, Reader, StructureError, run_check

_EOI, _SOS = 0xD9, 0xDA
"""JPEG markers: end of image, start of scan."""
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
"""JPEG markers that begin no segment."""
JPEG_TAIL_BYTES = 64 << 10

_SOC, _SOT, _EOC = b"\xff\x4f", b"\xff\x90", b"\xff\xd9"
"""JPEG 2000 markers: start of codestream, start of tile-part, end of codestream."""


def check_jpeg(file: BinaryIO) -> str | None:
    """Check the segments up to the first scan, and the end of image marker."""
    return run_check(_examine_jpeg, file)


def _examine_jpeg(reader: Reader) -> None:
    offset = _first_scan(reader)
    # The marker cannot occur in the image data: there a zero follows every FF.
    tail = max(offset, reader.size - JPEG_TAIL_BYTES)
    if reader.find(b"\xff\xd9", tail) < 0 and reader.find(b"\xff\xd9", offset) < 0:
        raise StructureError("its end marker is missing")


def _first_scan(reader: Reader) -> int:
    """The offset of the first scan, behind all segments of the header."""
    offset, what = 2, "its header"
    while True:
        marker, code = reader.exact(offset, 2, what)
        if marker != 0xFF:
            raise IntrinsicFlawError(f"its header is damaged at byte {offset}")
        if code == 0xFF:
            offset += 1
        elif code in _WITHOUT_LENGTH:
            offset += 2
        elif code == _EOI:
            raise IntrinsicFlawError("it ends before any image")
        else:
            (size,) = reader.unpack(">H", offset + 2, what)
            if size < 2:
                raise IntrinsicFlawError(f"its header is damaged at byte {offset}")
            offset += 2 + int(size)
            if code == _SOS:
                return offset


def check_png(file: BinaryIO) -> str | None:
    """Check the header with its CRC, and the chain of chunks to IEND."""
    return run_check(_examine_png, file)


def _examine_png(reader: Reader) -> None:
    size, name, *_ = reader.unpack(">I4s", 8, "its header")
    if name != b"IHDR" or size != 13:
        raise IntrinsicFlawError("its header is missing")
    (digest,) = reader.unpack(">I", 8 + 8 + 13, "its header")
    if zlib.crc32(reader.exact(12, 4 + 13)) != digest:
        raise IntrinsicFlawError("its header is damaged")
    offset, image = 8, False
    while name != b"IEND":
        size, name = reader.unpack(">I4s", offset, "the chain of its chunks")
        if not name.isalpha():
            raise IntrinsicFlawError(f"the chain of its chunks is damaged at byte {offset}")
        offset += 12 + int(size)
        if offset > reader.size:
            raise StructureError(f"a chunk {name.decode('ascii')} goes on to byte {offset} of {reader.size}")
        image |= name == b"IDAT"
    if not image:
        raise StructureError("it has no image")


def check_jp2(file: BinaryIO) -> str | None:
    """Check the chain of boxes, and the tile-parts of every codestream; or those of a bare codestream."""
    return run_check(_examine_jp2, file)


def _examine_jp2(reader: Reader) -> None:
    if reader.exact(0, 2) == _SOC:
        _check_codestream(reader, 0, reader.size)
        return
    offset, image = 0, False
    while offset + 8 <= reader.size:
        name, first, end = _box(reader, offset)
        if name == b"jp2c":
            _check_codestream(reader, first, end)
        image |= name in (b"jp2c", b"ftbl")
        offset = end
    if not image:
        raise StructureError("it has no image")


def _box(reader: Reader, offset: int) -> tuple[bytes, int, int]:
    """The type of a box, and the offsets at which its content begins and ends (ISO 15444-1 annex I).

    Length 0: the box goes to the end of the file. Length 1: a 64-bit length follows.
    """
    size, name = reader.unpack(">I4s", offset)
    first = offset + 8
    if size == 1:
        (size,) = reader.unpack(">Q", first)
        first += 8
    end = offset + int(size) if size else reader.size
    if end < first:
        raise StructureError(f"the chain of its boxes is damaged at byte {offset}")
    if end > reader.size:
        raise StructureError(f"a box {name.decode('latin-1')!a} goes on to byte {end} of {reader.size}")
    return name, first, end


def _check_codestream(reader: Reader, offset: int, end: int) -> None:
    if reader.exact(offset, 2) != _SOC:
        raise StructureError(f"no image begins at byte {offset}")
    offset = _first_tile_part(reader, offset + 2)
    while (marker := reader.exact(offset, 2, "its image")) == _SOT:
        (size,) = reader.unpack(">I", offset + 6, "its image")
        if size == 0:  # the last tile-part: it goes to the end of the codestream
            offset = max(end - 2, offset + 12)
        elif size < 14:
            raise StructureError(f"its image is damaged at byte {offset}")
        else:
            offset += int(size)
        if offset > end:
            raise StructureError(f"a tile-part goes on to byte {offset}, its image ends at {end}")
    if marker != _EOC:
        raise StructureError("its end marker is missing")


def _first_tile_part(reader: Reader, offset: int) -> int:
    """The offset of the first tile-part, behind the segments of the main header."""
    while (marker := reader.exact(offset, 2, "its header")) != _SOT:
        (size,) = reader.unpack(">H", offset + 2, "its header")
        if marker[0] != 0xFF or marker == _EOC or size < 2:
            raise StructureError(f"its header is damaged at byte {offset}")
        offset += 2 + int(size)
    return offset
