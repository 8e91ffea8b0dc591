"""What a satellite would see of a made-up landscape: per band and day, a table from land to reflectance."""

from __future__ import annotations

import math
from functools import lru_cache

from . import imagery

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

# reflectance in 1/10000 per band, in the order of BANDS
_WATER = (620, 560, 430, 260, 220, 160, 150, 120, 100, 90, 50, 30)
_STONE = (1150, 1300, 1500, 1750, 1900, 2000, 2100, 2200, 2250, 2300, 2600, 2500)
_SOIL = (900, 1100, 1500, 2100, 2400, 2600, 2750, 2900, 3000, 3050, 3700, 3300)
_ICE = (8200, 8400, 8300, 8100, 8000, 7800, 7600, 7300, 7000, 6500, 900, 700)
_LEAF = (260, 300, 520, 330, 850, 2300, 2900, 3200, 3350, 3300, 1550, 750)
_CLOUD = (6200, 6100, 6000, 6100, 6200, 6300, 6400, 6500, 6500, 6300, 4400, 3600)
# how green at the dry and at the wet end of the year
_GREENNESS = {imagery.WOODY: (0.75, 0.95), imagery.CROPS: (0.10, 0.90), imagery.NATURAL: (0.30, 0.65)}
_SCENE_CLASS = {imagery.WATER: 6, imagery.SNOW: 11, imagery.WOODY: 4, imagery.CROPS: 4, imagery.NATURAL: 4}


def _reflectance(cover: int, band: int, season: float) -> float:
    if cover in _GREENNESS:
        low, high = _GREENNESS[cover]
        green = low + (high - low) * season
        return _LEAF[band] * green + _SOIL[band] * (1 - green)
    plain = {imagery.WATER: _WATER, imagery.BUILT: _STONE, imagery.SNOW: _ICE}
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
        return imagery.merged(land.translate(_scene_classes()), b"\x09" * len(land), mask)
    ground = _interleaved(land, _table(key, day))
    if not cover:
        return ground
    return imagery.merged(ground, _interleaved(sky, _cloud_table(key)), _interleaved(mask, (_SAME, _SAME)))


@lru_cache(maxsize=1)
def _scene_classes() -> bytes:
    return bytes(_SCENE_CLASS.get(i >> 5, 5) for i in range(256))


_SAME = bytes(range(256))
