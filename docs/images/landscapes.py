"""Makes the landscapes and clouds of the sample catalogue: `python docs/images/landscapes.py`.

Writes mlhub_async/demo/landscapes.bin: four landscapes and one image of clouds, one byte per pixel, deflated.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from pathlib import Path

from mlhub_async.demo.imagery import BARE, BUILT, CROPS, LANDSCAPES, NATURAL, PIXELS, SIDE, SNOW, WATER, WOODY

TARGET = Path(__file__).parents[2] / "mlhub_async/demo/landscapes.bin"
_CHARACTERS = (
    (0.36, 0.86, 0.34, 0.30),
    (0.47, 9.0, 0.30, 0.45),
    (0.0, 9.0, 0.47, 0.35),
    (0.28, 0.64, 0.36, 0.12),
)
"""Per landscape: height of the water, height of the snow line, moisture of bare ground, share of fields."""


def _noise(rng: random.Random, cells: tuple[int, ...]) -> list[float]:
    """Smooth periodic noise in 0..1: a random grid per entry of `cells`, each half as strong as the last."""
    total = [0.0] * PIXELS
    weight = 1.0
    for across in cells:
        grid = [[rng.random() for _ in range(across)] for _ in range(across)]
        total = [t + weight * v for t, v in zip(total, _interpolate(grid, across), strict=True)]
        weight /= 2
    low, high = min(total), max(total)
    return [(t - low) / (high - low) for t in total]


def _interpolate(grid: list[list[float]], across: int) -> list[float]:
    """The grid enlarged to all pixels, with smooth transitions between its points."""
    step = SIDE // across
    ease = [(x / step) ** 2 * (3 - 2 * x / step) for x in range(step)]
    out: list[float] = []
    for y in range(SIDE):
        above, below, down = grid[y // step], grid[(y // step + 1) % across], ease[y % step]
        row = [a + (b - a) * down for a, b in zip(above, below, strict=True)]
        for left, right in zip(row, row[1:] + row[:1], strict=True):
            out += [left + (right - left) * t for t in ease]
    return out


def landscape(number: int) -> bytes:
    """The land cover with its brightness, one byte per pixel."""
    rng = random.Random(number)
    height, moisture = _noise(rng, (4, 8, 32)), _noise(rng, (2, 8, 32))
    fine, classify = _noise(rng, (64,)), _classifier(rng, _CHARACTERS[number])
    grain = rng.randbytes(PIXELS)
    pixels = zip(map(classify, range(PIXELS), height, moisture), fine, grain, strict=True)
    return bytes(
        cover << 5 | min(31, int(brightness + 18 * f) + (g & 1)) for (cover, brightness), f, g in pixels
    )


def _classifier(
    rng: random.Random, character: tuple[float, float, float, float]
) -> Callable[[int, float, float], tuple[int, int]]:
    """A function of pixel number, height and moisture that gives class and base brightness.

    Fields and towns are rectangles of 16 x 16 pixels.
    """
    sea_level, snow_line, dry, farmed = character
    parcels = [(rng.random(), rng.randrange(12)) for _ in range(256)]

    def classify(at: int, height: float, moisture: float) -> tuple[int, int]:
        use, brightness = parcels[at >> 12 << 4 | at >> 4 & 15]
        if height < sea_level:
            return WATER, 4
        if height > snow_line:
            return SNOW, 10
        if use > 0.97 and height < 0.6:
            return BUILT, brightness
        if use < farmed and height < 0.7:
            return CROPS, brightness
        if moisture < dry:
            return BARE, 6
        return (WOODY, 2) if moisture > 0.58 else (NATURAL, 6)

    return classify


def clouds() -> bytes:
    """The cloudiness of each pixel, evenly spread over 0..255: a threshold is a share of the image."""
    noise = _noise(random.Random("clouds"), (4, 8, 32))
    ranked = sorted(range(PIXELS), key=noise.__getitem__)
    out = bytearray(PIXELS)
    for rank, at in enumerate(ranked):
        out[at] = rank >> 8
    return bytes(out)


def pixels() -> bytes:
    """All images, one behind the other."""
    return b"".join(map(landscape, range(LANDSCAPES))) + clouds()


if __name__ == "__main__":
    TARGET.write_bytes(zlib.compress(pixels(), 9))
