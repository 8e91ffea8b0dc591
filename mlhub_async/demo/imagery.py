"""Made-up landscapes: land cover and clouds as byte pictures, with the standard library alone.

A landscape is one byte per pixel: class in the upper three bits, brightness in the lower five. Every band
of every date is that picture looked up in a 256-entry table, so a band costs a fraction of a millisecond.
Landscapes repeat at their edges: rotating and turning the bytes shows another piece of land.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import lru_cache

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
# water below this height, snow above this one, bare ground where dryer than this, share of fields
_CHARACTER = (
    (0.36, 0.86, 0.34, 0.30),
    (0.47, 9.0, 0.30, 0.45),
    (0.0, 9.0, 0.47, 0.35),
    (0.28, 0.64, 0.36, 0.12),
)

# reflectance in 1/10000 per band, in the order of BANDS
_WATER = (620, 560, 430, 260, 220, 160, 150, 120, 100, 90, 50, 30)
_STONE = (1150, 1300, 1500, 1750, 1900, 2000, 2100, 2200, 2250, 2300, 2600, 2500)
_SOIL = (900, 1100, 1500, 2100, 2400, 2600, 2750, 2900, 3000, 3050, 3700, 3300)
_ICE = (8200, 8400, 8300, 8100, 8000, 7800, 7600, 7300, 7000, 6500, 900, 700)
_LEAF = (260, 300, 520, 330, 850, 2300, 2900, 3200, 3350, 3300, 1550, 750)
_CLOUD = (6200, 6100, 6000, 6100, 6200, 6300, 6400, 6500, 6500, 6300, 4400, 3600)
# how green at the dry and at the wet end of the year
_GREENNESS = {WOODY: (0.75, 0.95), CROPS: (0.10, 0.90), NATURAL: (0.30, 0.65)}
_SCENE_CLASS = {WATER: 6, SNOW: 11, WOODY: 4, CROPS: 4, NATURAL: 4}


_SAME = bytes(range(256))


def _noise(chance: random.Random, cells: tuple[int, ...]) -> list[float]:
    """Smooth periodic noise in 0..1: a random grid per entry of `cells`, each half as strong as the last."""
    total = [0.0] * PIXELS
    weight, weights = 1.0, 0.0
    for across in cells:
        grid = [[chance.random() for _ in range(across)] for _ in range(across)]
        total = [t + weight * v for t, v in zip(total, _stretched(grid, across), strict=True)]
        weights += weight
        weight /= 2
    low, high = min(total), max(total)
    return [(t - low) / (high - low) for t in total]


def _stretched(grid: list[list[float]], across: int) -> list[float]:
    step = SIDE // across
    ease = [(x / step) ** 2 * (3 - 2 * x / step) for x in range(step)]
    out: list[float] = []
    for y in range(SIDE):
        above, below, down = grid[y // step], grid[(y // step + 1) % across], ease[y % step]
        row = [a + (b - a) * down for a, b in zip(above, below, strict=True)]
        for left, right in zip(row, row[1:] + row[:1], strict=True):
            out += [left + (right - left) * t for t in ease]
    return out


@lru_cache(maxsize=LANDSCAPES)
def landscape(number: int) -> bytes:
    """One byte per pixel: class * 32 + brightness."""
    chance = random.Random(number)
    height, wet = _noise(chance, (4, 8, 32)), _noise(chance, (2, 8, 32))
    fine, classify = _noise(chance, (64,)), _classifier(chance, _CHARACTER[number])
    grain = chance.randbytes(PIXELS)
    return bytes(
        cover << 5 | min(31, int(shade + 18 * f) + (g & 1))
        for (cover, shade), f, g in zip(map(classify, range(PIXELS), height, wet), fine, grain, strict=True)
    )


def _classifier(
    chance: random.Random, character: tuple[float, float, float, float]
) -> Callable[[int, float, float], tuple[int, int]]:
    """Decides class and base brightness of a pixel; fields and towns come in rectangles of 16 x 16."""
    sea, peak, dry, farmed = character
    parcels = [(chance.random(), chance.randrange(12)) for _ in range(256)]

    def classify(at: int, height: float, wet: float) -> tuple[int, int]:
        share, shade = parcels[at >> 12 << 4 | at >> 4 & 15]
        if height < sea:
            return WATER, 4
        if height > peak:
            return SNOW, 10
        if share > 0.97 and height < 0.6:
            return BUILT, shade
        if share < farmed and height < 0.7:
            return CROPS, shade
        if wet < dry:
            return BARE, 6
        return (WOODY, 2) if wet > 0.58 else (NATURAL, 6)

    return classify


@lru_cache(maxsize=1)
def clouds() -> bytes:
    """How cloudy each pixel is, evenly spread over 0..255 so that a threshold is a share of the picture."""
    field = _noise(random.Random("clouds"), (4, 8, 32))
    ranked = sorted(range(PIXELS), key=field.__getitem__)
    out = bytearray(PIXELS)
    for rank, at in enumerate(ranked):
        out[at] = rank >> 8
    return bytes(out)


def rotated(picture: bytes, by: int) -> bytes:
    return picture[by:] + picture[:by]


def turned(picture: bytes, way: int) -> bytes:
    """As it is, upside down, or mirrored at the diagonal."""
    ways = (lambda: picture, lambda: picture[::-1], lambda: b"".join(picture[x::SIDE] for x in range(SIDE)))
    return ways[way % 3]()


def merged(land: bytes, sky: bytes, mask: bytes) -> bytes:
    """`sky` where `mask` is 0xFF, `land` where it is 0; any number of bytes at once."""
    below, above = int.from_bytes(land, "little"), int.from_bytes(sky, "little")
    return (below ^ ((below ^ above) & int.from_bytes(mask, "little"))).to_bytes(len(land), "little")


@lru_cache(maxsize=LANDSCAPES)
def class_counts(number: int) -> dict[str, int]:
    """Pixels per class name in a landscape; rotation does not change them."""
    classes = landscape(number).translate(bytes(i >> 5 for i in range(256)))
    counts = {name: classes.count(value) for value, name in enumerate(CLASSES)}
    return {name: count for name, count in counts.items() if count}


# name: common name, centre wavelength in micrometres, resolution in metres
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
KEYS = (*BANDS, "CLD", "SCL")


def _reflectance(cover: int, band: int, season: float) -> float:
    if cover in _GREENNESS:
        low, high = _GREENNESS[cover]
        green = low + (high - low) * season
        return _LEAF[band] * green + _SOIL[band] * (1 - green)
    plain = {WATER: _WATER, BUILT: _STONE, SNOW: _ICE}
    return plain.get(cover, _SOIL)[band]


@lru_cache(maxsize=512)
def _table(key: str, day: int) -> tuple[bytes, bytes]:
    """Low and high byte of the reflectance for every landscape byte."""
    band, season = list(BANDS).index(key), 0.5 - 0.5 * math.cos(2 * math.pi * (day - 30) / 365)
    values = [
        int(_reflectance(i >> 5, band, season) * (0.78 + (i & 31) * 0.015)) if i >> 5 else 0
        for i in range(256)
    ]
    return bytes(v & 255 for v in values), bytes(v >> 8 for v in values)


@lru_cache(maxsize=16)
def _cloud_table(key: str) -> tuple[bytes, bytes]:
    values = [int(_CLOUD[list(BANDS).index(key)] * (0.5 + i / 510)) for i in range(256)]
    return bytes(v & 255 for v in values), bytes(v >> 8 for v in values)


@lru_cache(maxsize=256)
def _mask(cover: int) -> bytes:
    """Marks the cloudiest pixels: about `cover` of every 256."""
    return bytes(255 if i >= 256 - cover else 0 for i in range(256))


def _interleaved(picture: bytes, table: tuple[bytes, bytes]) -> bytes:
    out = bytearray(2 * len(picture))
    out[0::2], out[1::2] = picture.translate(table[0]), picture.translate(table[1])
    return bytes(out)


def band(key: str, land: bytes, sky: bytes, cover: int, day: int) -> bytes:
    """Pixels of one asset: 16 bits for a spectral band, 8 bits for CLD (percent) and SCL (scene class)."""
    mask = sky.translate(_mask(cover))
    if key == "CLD":
        percent = bytes(min(100, max(0, 50 + (i - (256 - cover)) * 2)) for i in range(256))
        return sky.translate(percent)
    if key == "SCL":
        return merged(land.translate(_scene_classes()), b"\x09" * len(land), mask)
    ground = _interleaved(land, _table(key, day))
    if not cover:
        return ground
    return merged(ground, _interleaved(sky, _cloud_table(key)), _interleaved(mask, (_SAME, _SAME)))


@lru_cache(maxsize=1)
def _scene_classes() -> bytes:
    return bytes(_SCENE_CLASS.get(i >> 5, 5) for i in range(256))
