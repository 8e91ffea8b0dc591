"""The images of the sample: stored landscapes and clouds of one byte per pixel, and bands computed from them.

A landscape byte is the class in the upper three bits and the brightness in the lower five. A band of a date
is that image translated by a table of 256 entries, so that it takes a fraction of a millisecond. Landscapes
continue periodically at their edges: rotating the bytes gives another piece of land.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache
from importlib.resources import files

SIDE = 256
PIXELS = SIDE * SIDE
LANDSCAPES = 4
CLASSES = (
    "No Data",
    "Water",
    "Artificial Bareground",
    "Natural Bareground",
    "Permanent Snow/Ice",
    "Woody Vegetation",
    "Cultivated Vegetation",
    "(Semi) Natural Vegetation",
)
WATER, BUILT, BARE, SNOW, WOODY, CROPS, NATURAL = range(1, 8)

BANDS: dict[str, tuple[str, float, int]] = {
    "B01": ("coastal", 0.443, 60),
    "B02": ("blue", 0.490, 10),
    "B03": ("green", 0.560, 10),
    "B04": ("red", 0.665, 10),
    "B05": ("rededge", 0.704, 20),
    "B06": ("rededge", 0.740, 20),
    "B07": ("rededge", 0.783, 20),
    "B08": ("nir", 0.842, 10),
    "B8A": ("nir08", 0.865, 20),
    "B09": ("nir09", 0.945, 60),
    "B11": ("swir16", 1.610, 20),
    "B12": ("swir22", 2.190, 20),
}
"""The spectral bands of Sentinel-2: common name, centre wavelength in micrometres, resolution in metres."""
KEYS = (*BANDS, "CLD", "SCL")
"""The asset keys of a source item: bands, cloud probability, scene classification."""

# Reflectance in 1/10000 per band, in the order of BANDS.
_WATER = (620, 560, 430, 260, 220, 160, 150, 120, 100, 90, 50, 30)
_STONE = (1150, 1300, 1500, 1750, 1900, 2000, 2100, 2200, 2250, 2300, 2600, 2500)
_SOIL = (900, 1100, 1500, 2100, 2400, 2600, 2750, 2900, 3000, 3050, 3700, 3300)
_ICE = (8200, 8400, 8300, 8100, 8000, 7800, 7600, 7300, 7000, 6500, 900, 700)
_LEAF = (260, 300, 520, 330, 850, 2300, 2900, 3200, 3350, 3300, 1550, 750)
_CLOUD = (6200, 6100, 6000, 6100, 6200, 6300, 6400, 6500, 6500, 6300, 4400, 3600)
_GREENNESS = {WOODY: (0.75, 0.95), CROPS: (0.10, 0.90), NATURAL: (0.30, 0.65)}
"""The share of leaves per class in the dry and in the wet season; the rest is soil."""
_SCENE_CLASS = {WATER: 6, SNOW: 11, WOODY: 4, CROPS: 4, NATURAL: 4}
"""The scene class of Sentinel-2 level 2A per land cover class; 5 (not vegetated) for all others."""
_CLOUD_SCENE_CLASS = b"\x09"

_IDENTITY = bytes(range(256))
_CLASS_OF_BYTE = bytes(i >> 5 for i in range(256))


@lru_cache(maxsize=1)
def _stored() -> bytes:
    """The landscapes one behind the other, then the clouds; docs/images/landscapes.py has made them."""
    return zlib.decompress(files(__package__).joinpath("landscapes.bin").read_bytes())


@lru_cache(maxsize=LANDSCAPES)
def landscape(number: int) -> bytes:
    """The land cover with its brightness, one byte per pixel."""
    return _stored()[number * PIXELS : (number + 1) * PIXELS]


@lru_cache(maxsize=1)
def clouds() -> bytes:
    """The cloudiness of each pixel, evenly spread over 0..255: a threshold is a share of the image."""
    return _stored()[LANDSCAPES * PIXELS :]


def classes(image: bytes) -> bytes:
    """The class of every pixel of a landscape."""
    return image.translate(_CLASS_OF_BYTE)


def rotate(image: bytes, by: int) -> bytes:
    """The image moved by so many pixels, with what leaves it at the front added at the end."""
    return image[by:] + image[:by]


def reorient(image: bytes, orientation: int) -> bytes:
    """0: as it is, 1: rotated by 180 degrees, 2: mirrored at the diagonal."""
    if orientation % 3 == 0:
        return image
    return image[::-1] if orientation % 3 == 1 else b"".join(image[x::SIDE] for x in range(SIDE))


def blend(land: bytes, sky: bytes, mask: bytes) -> bytes:
    """`sky` where `mask` is 0xFF, `land` where it is 0. All three have the same length."""
    below, above = int.from_bytes(land, "little"), int.from_bytes(sky, "little")
    return (below ^ ((below ^ above) & int.from_bytes(mask, "little"))).to_bytes(len(land), "little")


@lru_cache(maxsize=LANDSCAPES)
def class_counts(number: int) -> dict[str, int]:
    """Pixels per class name in a landscape; rotation and orientation do not change them."""
    found = classes(landscape(number))
    counts = {name: found.count(value) for value, name in enumerate(CLASSES)}
    return {name: count for name, count in counts.items() if count}


def _reflectance(cover: int, band: int, season: float) -> float:
    """Of a class in 1/10000; `season` is 0 in the driest time of the year, 1 in the wettest."""
    if cover in _GREENNESS:
        low, high = _GREENNESS[cover]
        green = low + (high - low) * season
        return _LEAF[band] * green + _SOIL[band] * (1 - green)
    constant = {WATER: _WATER, BUILT: _STONE, SNOW: _ICE}
    return constant.get(cover, _SOIL)[band]


@lru_cache(maxsize=512)
def _land_table(key: str, day: int) -> tuple[bytes, bytes]:
    """Low and high byte of the reflectance for every landscape byte; `day` is that of the year."""
    band, season = list(BANDS).index(key), 0.5 - 0.5 * math.cos(2 * math.pi * (day - 30) / 365)
    values = [
        int(_reflectance(i >> 5, band, season) * (0.78 + (i & 31) * 0.015)) if i >> 5 else 0
        for i in range(256)
    ]
    return bytes(v & 255 for v in values), bytes(v >> 8 for v in values)


@lru_cache(maxsize=16)
def _cloud_table(key: str) -> tuple[bytes, bytes]:
    """Low and high byte of the reflectance for every cloudiness."""
    values = [int(_CLOUD[list(BANDS).index(key)] * (0.5 + i / 510)) for i in range(256)]
    return bytes(v & 255 for v in values), bytes(v >> 8 for v in values)


@lru_cache(maxsize=256)
def _mask_table(cover: int) -> bytes:
    """Marks the cloudiest pixels: about `cover` of every 256."""
    return bytes(255 if i >= 256 - cover else 0 for i in range(256))


@lru_cache(maxsize=1)
def _scene_table() -> bytes:
    """The scene class of every landscape byte."""
    return bytes(_SCENE_CLASS.get(i >> 5, 5) for i in range(256))


def _translate16(image: bytes, table: tuple[bytes, bytes]) -> bytes:
    """16 bits per pixel, little-endian, from tables of the low and the high bytes."""
    out = bytearray(2 * len(image))
    out[0::2], out[1::2] = image.translate(table[0]), image.translate(table[1])
    return bytes(out)


def render_band(key: str, land: bytes, sky: bytes, cover: int, day: int) -> bytes:
    """The pixels of one asset: 16 bits for a spectral band, 8 bits for CLD (percent) and SCL (scene class).

    `cover`: the cloudy pixels of every 256; `day`: the day of the year, which sets the season.
    """
    mask = sky.translate(_mask_table(cover))
    if key == "CLD":
        percent = bytes(min(100, max(0, 50 + (i - (256 - cover)) * 2)) for i in range(256))
        return sky.translate(percent)
    if key == "SCL":
        return blend(land.translate(_scene_table()), _CLOUD_SCENE_CLASS * len(land), mask)
    ground = _translate16(land, _land_table(key, day))
    if not cover:
        return ground
    return blend(ground, _translate16(sky, _cloud_table(key)), _translate16(mask, (_IDENTITY, _IDENTITY)))
