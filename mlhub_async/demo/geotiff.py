"""GeoTIFF, written with the standard library: one band, one deflated strip, UTM coordinates."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SIDE = 256
_SHORT, _LONG, _DOUBLE, _ASCII = 3, 4, 12, 2
_FORMAT = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_Tag = tuple[int, int, tuple[int, ...] | tuple[float, ...] | bytes]


@dataclass(frozen=True, slots=True)
class Raster:
    """256 x 256 pixels of 10 m; `easting`, `northing` are the upper left corner."""

    strip: bytes
    """the pixels row by row, little-endian, as `deflated` made them"""
    bits: int
    epsg: int
    easting: int
    northing: int
    description: str


def deflated(pixels: bytes) -> bytes:
    return zlib.compress(pixels, 1)


def encoded(raster: Raster, palette: tuple[int, ...] = ()) -> bytes:
    """The file; 0 means no data. `palette`: 768 values of 16 bits, all reds, all greens, all blues."""
    tags = _tags(raster, palette)
    directory_size = 2 + 12 * len(tags) + 4
    values_at = 8 + directory_size
    entries, values = [], bytearray()
    strip_at = values_at + sum(_room(tag) for tag in tags)
    for number, kind, content in tags:
        data = _packed(kind, (strip_at,) if number == 273 else content)
        count = len(data) if kind == _ASCII else len(content)
        if len(data) > 4:
            place = struct.pack("<I", values_at + len(values))
            values += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        entries.append(struct.pack("<HHI", number, kind, count) + place)
    directory = struct.pack("<H", len(tags)) + b"".join(entries) + b"\0\0\0\0"
    return b"II*\0\x08\0\0\0" + directory + bytes(values) + raster.strip


def _tags(raster: Raster, palette: tuple[int, ...]) -> list[_Tag]:
    tags: list[_Tag] = [
        (256, _SHORT, (SIDE,)),
        (257, _SHORT, (SIDE,)),
        (258, _SHORT, (raster.bits,)),
        (259, _SHORT, (8,)),
        (262, _SHORT, (3 if palette else 1,)),
        (270, _ASCII, raster.description.encode("ascii") + b"\0"),
        (273, _LONG, (0,)),
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
    """Projected model, pixel is area, this EPSG code, metres: all values fit in the key itself."""
    keys = ((1024, 1), (1025, 1), (3072, epsg), (3076, 9001))
    return (1, 1, 0, len(keys), *(part for key, value in keys for part in (key, 0, 1, value)))


def _packed(kind: int, content: tuple[int, ...] | tuple[float, ...] | bytes) -> bytes:
    if isinstance(content, bytes):
        return content
    return struct.pack(f"<{len(content)}{_FORMAT[kind]}", *content)


def _room(tag: _Tag) -> int:
    """What a tag's value takes outside the directory; values begin at even offsets."""
    size = len(_packed(tag[1], tag[2]))
    return 0 if size <= 4 else size + size % 2
