"""Writes GeoTIFF files with the standard library: one band, one deflated strip, UTM coordinates."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SIDE = 256
"""Pixels of a side."""
_SHORT, _LONG, _DOUBLE, _ASCII = 3, 4, 12, 2
_FORMAT = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_HEADER_BYTES = 8
_STRIP_OFFSETS = 273
_INLINE_BYTES = 4
"""Values of up to so many bytes stand in the directory entry itself (TIFF 6.0, section 2)."""
_Values = tuple[int, ...] | tuple[float, ...] | bytes
_Tag = tuple[int, int, _Values]


@dataclass(frozen=True, slots=True)
class Raster:
    """256 x 256 pixels of 10 m. `easting` and `northing` are the upper left corner, in metres.

    `strip` holds the pixels row by row, little-endian, as `deflate` returns them; `bits` is per pixel.
    """

    strip: bytes
    bits: int
    epsg: int
    easting: int
    northing: int
    description: str


def deflate(pixels: bytes) -> bytes:
    return zlib.compress(pixels, 1)


def encode(raster: Raster, palette: tuple[int, ...] = ()) -> bytes:
    """The bytes of the file; 0 is the no-data value.

    `palette`: 768 values of 16 bits: all reds, all greens, all blues; empty for greyscale.
    """
    tags = _tags(raster, palette)
    directory_bytes = 2 + 12 * len(tags) + 4
    values_offset = _HEADER_BYTES + directory_bytes
    strip_offset = values_offset + sum(_external_bytes(tag) for tag in tags)
    entries, values = [], bytearray()
    for number, kind, content in tags:
        data = _pack(kind, (strip_offset,) if number == _STRIP_OFFSETS else content)
        count = len(data) if kind == _ASCII else len(content)
        if len(data) > _INLINE_BYTES:
            field = struct.pack("<I", values_offset + len(values))
            values += data + b"\0" * (len(data) % 2)
        else:
            field = data.ljust(_INLINE_BYTES, b"\0")
        entries.append(struct.pack("<HHI", number, kind, count) + field)
    directory = struct.pack("<H", len(tags)) + b"".join(entries) + b"\0\0\0\0"
    return b"II*\0\x08\0\0\0" + directory + bytes(values) + raster.strip


def _tags(raster: Raster, palette: tuple[int, ...]) -> list[_Tag]:
    """The tags in ascending order; the offset of the strip is filled in by `encode`."""
    tags: list[_Tag] = [
        (256, _SHORT, (SIDE,)),
        (257, _SHORT, (SIDE,)),
        (258, _SHORT, (raster.bits,)),
        (259, _SHORT, (8,)),
        (262, _SHORT, (3 if palette else 1,)),
        (270, _ASCII, raster.description.encode("ascii") + b"\0"),
        (_STRIP_OFFSETS, _LONG, (0,)),
        (277, _SHORT, (1,)),
        (278, _SHORT, (SIDE,)),
        (279, _LONG, (len(raster.strip),)),
        (339, _SHORT, (1,)),
        (33550, _DOUBLE, (10.0, 10.0, 0.0)),
        (33922, _DOUBLE, (0.0, 0.0, 0.0, float(raster.easting), float(raster.northing), 0.0)),
        (34735, _SHORT, _geo_keys(raster.epsg)),
        (42113, _ASCII, b"0\0"),
    ]
    return sorted([*tags, (320, _SHORT, palette)]) if palette else tags


def _geo_keys(epsg: int) -> tuple[int, ...]:
    """Projected model, pixel is area, this EPSG code, metres; every value fits in its key."""
    keys = ((1024, 1), (1025, 1), (3072, epsg), (3076, 9001))
    return (1, 1, 0, len(keys), *(part for key, value in keys for part in (key, 0, 1, value)))


def _pack(kind: int, content: _Values) -> bytes:
    if isinstance(content, bytes):
        return content
    return struct.pack(f"<{len(content)}{_FORMAT[kind]}", *content)


def _external_bytes(tag: _Tag) -> int:
    """Bytes that the value of a tag takes outside the directory; values start at even offsets."""
    size = len(_pack(tag[1], tag[2]))
    return 0 if size <= _INLINE_BYTES else size + size % 2
