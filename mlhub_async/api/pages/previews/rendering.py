"""Values of a raster as colours: classes, palettes, 8 bits as they are, all else stretched by percentiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .palette import Swatch, colour_at
from .raster import Pixels, Reading

PERCENTILES = (2, 25, 75, 98)
FENCE = 1.5
"""Quartile ranges beyond the quartiles (Tukey): what is outside, such as clouds, makes nothing else dark."""
MAX_LABEL_VALUES = 64
"""A label with more values, of which the catalogue names none, is a quantity."""
MIN_RANGE = 64
"""Grey of 8 bits that has a smaller range is stretched as well: a mask of 0 and 1 would be black."""

Image = NDArray[np.uint8]


def render(reading: Reading, legend: Sequence[Swatch], *, is_label: bool) -> Image:
    """Red, green, blue and alpha, with the shape (4, rows, columns). Pixels without data are transparent."""
    if reading.kind == "rgb":
        colours = (
            reading.bands if reading.bands.dtype == np.uint8 else _stretched(reading.bands, reading.valid)
        )
    elif legend or reading.kind == "palette" or (is_label and _are_classes(reading)):
        colours = _classes(reading, legend)
    else:
        colours = np.repeat(_grey(reading), 3, axis=0)
    alpha = np.where(reading.valid, 255, 0).astype(np.uint8)
    if reading.alpha is not None:
        alpha = np.minimum(alpha, reading.alpha)
    return np.concatenate([colours.astype(np.uint8), alpha[np.newaxis]])


def composite(bands: Sequence[Reading]) -> Image:
    """Three readings of one band each, of one shape, as red, green and blue."""
    stacked = np.concatenate([one.bands[:1] for one in bands])
    valid = np.logical_and.reduce([one.valid for one in bands])
    return render(Reading(stacked, valid, "rgb", {}), (), is_label=False)


def _grey(reading: Reading) -> Image:
    band, valid = reading.bands[:1], reading.valid
    if band.dtype == np.uint8 and valid.any():
        values = band[0][valid]
        if int(values.max()) - int(values.min()) >= MIN_RANGE:
            return band
    return _stretched(band, valid)


def _stretched(bands: Pixels, valid: NDArray[np.bool_]) -> Image:
    """One stretch for all bands: so colours stay as they are to each other."""
    values = bands[:, valid].astype(np.float64)
    if not values.size:
        return np.zeros(bands.shape, np.uint8)
    low, lower, upper, high = np.percentile(values, PERCENTILES)
    if upper > lower:
        reach = FENCE * (upper - lower)
        low, high = max(low, lower - reach), min(high, upper + reach)
    if high <= low:
        low, high = values.min(), values.max()
    if high <= low:
        return np.full(bands.shape, 128, np.uint8)
    scaled = (np.where(valid, bands, low).astype(np.float64) - low) / (high - low)
    image: Image = np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return image


def _are_classes(reading: Reading) -> bool:
    values = np.unique(reading.bands[0][reading.valid])
    return len(values) <= MAX_LABEL_VALUES and bool(np.all(values == np.floor(values)))


def _classes(reading: Reading, legend: Sequence[Swatch]) -> Image:
    """Each value in the colour of its class, else in that of the palette, else in one of a list."""
    band = np.where(reading.valid, reading.bands[0], 0)
    values, places = np.unique(band, return_inverse=True)
    colours = {one.value: one.colour for one in legend}
    table = np.array(
        [colours.get(key) or reading.palette.get(key) or colour_at(key) for key in map(int, values)], np.uint8
    ).reshape(-1, 3)
    return np.moveaxis(table[places.reshape(band.shape)], -1, 0)
