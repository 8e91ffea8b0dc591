"""Reads rasters small, in bounded memory: bands of a TIFF, JPEG 2000, PNG or JPEG."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....core.formats import kinds
from ....stac.fields.classification import Colour

INSTALL = "python -m pip install 'rasterio>=1.4'"
MAX_PIXELS = 128 << 20
"""To decode for one picture, over all bands that it shows. Overviews make fewer of a large image."""
MAX_BLOCK_BYTES = 256 << 20
"""Of a strip or tile, which is decoded whole."""
CACHE_MEGABYTES = 64
DRIVERS = {kinds.TIFF: "GTiff", kinds.JPEG: "JPEG", kinds.PNG: "PNG", kinds.JP2: "JP2OpenJPEG"}
"""By the first bytes of the file: no other format is tried, since some refer to other files and hosts."""
UNPLACED = {"GEOREF_SOURCES": "NONE"}
"""Where the image lies is not looked at: that would open the database of PROJ in each thread."""
OPTIONS = {"GTiff": UNPLACED, "JP2OpenJPEG": UNPLACED}
SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no other file beside it
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": CACHE_MEGABYTES,
    "GDAL_NUM_THREADS": "1",
}
_opening = threading.Lock()
"""`warnings.catch_warnings` is of the process."""

Pixels = NDArray[Any]


class NoPreview(Exception):
    """There is no picture of this file; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a picture needs of a file. `names`: common names of the bands, of the catalogue, "" for unknown.

    `exact`: the values are classes, no mean of two has a meaning.
    """

    size: int
    names: tuple[str, ...] = ()
    exact: bool = False
    shape: tuple[int, int] | None = None


class Reading(NamedTuple):
    """Bands with the shape (bands, rows, columns), which pixels have data, and the palette of the file.

    `kind` is "rgb", "palette" or "grey"; `alpha` 0 to 255 where the file has such a band.
    """

    bands: Pixels
    valid: NDArray[np.bool_]
    kind: str
    palette: Mapping[int, Colour]
    alpha: Pixels | None = None


def is_installed() -> bool:
    return importlib.util.find_spec("rasterio") is not None


def read(path: Path, wanted: Wanted) -> Reading:
    """Raises `NoPreview` for what cannot be shown. Blocks: call it in a thread."""
    with _opened(path) as raster:
        palette = _palette(raster)
        kind, indexes = _choose(raster, wanted, palette)
        shape = wanted.shape or _shape(raster, wanted.size)
        _check_cost(raster, indexes, shape)
        exact = wanted.exact or kind == "palette"
        resampling = importlib.import_module("rasterio.enums").Resampling
        how = resampling.nearest if exact else resampling.average
        masked = raster.read(indexes, out_shape=(len(indexes), *shape), resampling=how, masked=True)
        bands = np.ma.getdata(masked)
        valid: NDArray[np.bool_] = ~np.any(np.ma.getmaskarray(masked), axis=0)
        alpha = _alpha(raster, shape)
    if np.iscomplexobj(bands):
        bands = np.abs(bands)
    if bands.dtype.kind == "f":
        valid = valid & np.isfinite(bands).all(axis=0)
    return Reading(bands, valid, kind, palette, alpha)


def palette_of(path: Path) -> dict[int, Colour]:
    """The palette of a file, from its head; empty where it has none or cannot be read."""
    try:
        with _opened(path) as raster:
            return dict(_palette(raster))
    except NoPreview:
        return {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        rasterio = importlib.import_module("rasterio")
    except ImportError:
        raise NoPreview(f"Pictures of rasters need rasterio: {INSTALL}") from None
    with path.open("rb") as file:
        driver = DRIVERS.get(kinds.recognised(file.read(64)))  # type: ignore[arg-type]
    if driver is None:
        raise NoPreview("No picture of this format")
    errors = importlib.import_module("rasterio.errors")
    with rasterio.Env(**SETTINGS):
        try:
            with _opening, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # without georeference
                raster = rasterio.open(path, driver=driver, **OPTIONS.get(driver, {}))
            with raster:
                yield raster
        except errors.RasterioError as error:
            raise NoPreview(f"Cannot be read: {error.__cause__ or error}") from None


def _palette(raster: Any) -> dict[int, Colour]:
    if raster.count != 1:
        return {}
    try:
        return {value: (red, green, blue) for value, (red, green, blue, _) in raster.colormap(1).items()}
    except ValueError:
        return {}


def _choose(raster: Any, wanted: Wanted, palette: Mapping[int, Colour]) -> tuple[str, list[int]]:
    """What the picture is made of, and the bands for that.

    1. a palette or a class per pixel: the first band
    2. bands that the catalogue calls red, green and blue
    3. bands that the file calls so, or three or four bands of 8 bits that nobody names
    4. otherwise the first band
    """
    if palette:
        return "palette", [1]
    if wanted.exact or raster.count < 3:
        return "grey", [1]
    if len(wanted.names) == raster.count and {"red", "green", "blue"} <= set(wanted.names):
        return "rgb", [wanted.names.index(name) + 1 for name in ("red", "green", "blue")]
    said = [one.name for one in raster.colorinterp]
    if {"red", "green", "blue"} <= set(said):
        return "rgb", [said.index(name) + 1 for name in ("red", "green", "blue")]
    if raster.count <= 4 and raster.dtypes[0] == "uint8":
        return "rgb", [1, 2, 3]
    return "grey", [1]


def _shape(raster: Any, size: int) -> tuple[int, int]:
    """Rows and columns, the longer side at most `size`; a small image keeps its own."""
    scale = max(raster.width, raster.height, 1) / size
    if scale <= 1:
        return raster.height, raster.width
    return max(round(raster.height / scale), 1), max(round(raster.width / scale), 1)


def _check_cost(raster: Any, indexes: list[int], shape: tuple[int, int]) -> None:
    factor = min(raster.height / shape[0], raster.width / shape[1])
    reduction = max((level for level in raster.overviews(indexes[0]) if level <= factor), default=1)
    read_bands = raster.count if raster.interleaving and raster.interleaving.name == "pixel" else len(indexes)
    pixels = raster.width * raster.height // reduction**2 * read_bands
    if pixels > MAX_PIXELS:
        raise NoPreview(
            f"{raster.width} x {raster.height} pixels without overviews are too many for a picture"
        )
    rows, columns = raster.block_shapes[0]
    block = (
        rows
        * columns
        * read_bands
        * np.dtype(raster.dtypes[0].replace("complex_int16", "complex64")).itemsize
    )
    if block > MAX_BLOCK_BYTES:
        raise NoPreview(f"Its blocks of {rows} x {columns} pixels are too large for a picture")


def _alpha(raster: Any, shape: tuple[int, int]) -> Pixels | None:
    said = [one.name for one in raster.colorinterp]
    if "alpha" not in said or raster.dtypes[said.index("alpha")] != "uint8":
        return None
    found: Pixels = raster.read(said.index("alpha") + 1, out_shape=shape)
    return found


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of pixels with the shape (4, rows, columns): red, green, blue, alpha."""
    rasterio = importlib.import_module("rasterio")
    memory = importlib.import_module("rasterio.io").MemoryFile
    _, rows, columns = pixels.shape
    with rasterio.Env(**SETTINGS), memory() as file:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = file.open(driver="PNG", width=columns, height=rows, count=4, dtype="uint8")
        with written:
            written.write(pixels)
        return bytes(file.read())
