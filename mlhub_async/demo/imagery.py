"""Made-up landscapes: land cover and clouds as byte pictures, with the standard library alone.

A landscape is one byte per pixel: class in the upper three bits, brightness in the lower five. Every band
of every date is that picture looked up in a 256-entry table, so a band costs a fraction of a millisecond.
Landscapes repeat at their edges: rotating and turning the bytes shows another piece of land.
"""

from __future__ import annotations

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
