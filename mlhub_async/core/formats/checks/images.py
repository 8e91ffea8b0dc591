"""Checks the structure of JPEG, PNG, GIF, BMP, RIFF (WebP), JPEG 2000 and ISO media files (HEIF, MP4)."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from .reader import SEARCH_BLOCK_BYTES, IntrinsicFlawError, Reader, StructureError, run_check

_EOI, _SOS, _APP2 = 0xD9, 0xDA, 0xE2
"""JPEG markers: end of image, start of scan, a segment that may list several pictures."""
_MP_ENTRIES = 0xB002
_MEDIA_BOXES = {b"moov", b"moof", b"meta", b"jxlc", b"jxlp"}
_UNKNOWN_SIZE = 0xFFFFFFFF
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
            if code == _APP2 and reader.available(offset + 4, 4) == b"MPF\0":
                _check_pictures(reader, offset + 8, int(size) - 6)
            offset += 2 + int(size)
            if code == _SOS:
                return offset


def _check_pictures(reader: Reader, base: int, size: int) -> None:
    """Check that all pictures of a multi-picture file (CIPA DC-007) end inside it. `base`: of its offsets."""
    index = reader.exact(base, size, "its header")
    order = "<" if index[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", index, 4)
        (number,) = struct.unpack_from(f"{order}H", index, at)
        fields = [struct.unpack_from(f"{order}HHII", index, at + 2 + 12 * n) for n in range(number)]
        place, count = next(((f[3], f[2] // 16) for f in fields if f[0] == _MP_ENTRIES), (0, 0))
        pictures = [struct.unpack_from(f"{order}III", index, place + 16 * n) for n in range(count)]
    except struct.error:
        raise IntrinsicFlawError("its list of pictures is damaged") from None
    for number, (_, length, offset) in enumerate(pictures):
        end = length + (base + offset if offset else 0)
        if end > reader.size:
            raise StructureError(f"picture {number} goes on to byte {end} of {reader.size}")


def check_gif(file: BinaryIO) -> str | None:
    """Check the chain of blocks to the trailer."""
    return run_check(_examine_gif, file)


def _examine_gif(reader: Reader) -> None:
    offset = 13 + _color_table(reader.exact(10, 1, "its header")[0])
    while (code := reader.exact(offset, 1, "the chain of its blocks")) != b";":
        if code == b",":
            offset += 11 + _color_table(reader.exact(offset + 9, 1, "an image")[0])
        elif code == b"!":
            offset += 2
        elif code == b"\0":
            offset += 1
            continue
        else:
            raise IntrinsicFlawError(f"the chain of its blocks is damaged at byte {offset}")
        while size := reader.exact(offset, 1, "the chain of its blocks")[0]:
            offset += 1 + size
        offset += 1


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def check_bmp(file: BinaryIO) -> str | None:
    """Check that all rows are there."""
    return run_check(_examine_bmp, file)


def _examine_bmp(reader: Reader) -> None:
    first, header = reader.unpack("<II", 10, "its header")
    if header == 12:
        width, height, _, depth = reader.unpack("<HHHH", 18, "its header")
        packed, recorded = False, 0
    else:
        width, height, _, depth, method, recorded = reader.unpack("<iiHHII", 18, "its header")
        packed = method not in (0, 3, 6)
    row = (width * depth + 31) // 32 * 4
    size = recorded if packed else row * (abs(height) - 1) + (width * depth + 7) // 8
    if first + size > reader.size:
        raise StructureError(f"its rows go on to byte {first + size} of {reader.size}")


def check_riff(file: BinaryIO) -> str | None:
    """Check that the file is as long as its header says. A program that did not know left 0 or -1 there."""
    return run_check(_examine_riff, file)


def _examine_riff(reader: Reader) -> None:
    (size,) = reader.unpack("<I", 4, "its header")
    if size != _UNKNOWN_SIZE and size + 8 > reader.size:
        raise StructureError(f"its header says {size + 8} bytes, but there are {reader.size}")


def check_media(file: BinaryIO) -> str | None:
    """Check the chain of boxes of an ISO media file (MP4, HEIF, AVIF) or of JPEG XL."""
    return run_check(_examine_media, file)


def _examine_media(reader: Reader) -> None:
    offset, places = 0, {}
    while offset + 8 <= reader.size:
        name, places[name], offset = _box(reader, offset)
    if offset < reader.size:
        raise StructureError("it ends in the middle of a box")
    if not places.keys() & _MEDIA_BOXES:
        raise StructureError("it has no image or film")
    if places.keys() & (_MEDIA_BOXES | {b"mdat"}) == {b"meta"}:
        inside = reader.available(places[b"meta"], SEARCH_BLOCK_BYTES)
        if b"idat" not in inside:
            raise StructureError("its image is missing")


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
