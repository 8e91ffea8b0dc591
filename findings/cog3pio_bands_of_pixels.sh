#!/usr/bin/env bash
# cog3pio: a GeoTIFF of more than one band whose samples lie together (INTERLEAVE=PIXEL, PlanarConfiguration 1), as GDAL writes it
# by itself: an RGB chip, a stack of reflectances.
#
# Versions: cog3pio 0.0.1, whose readme has the reader of several bands as done; xarray 2026.9.0; rasterio 1.4.4 writes, and
#   reads as a comparison, with tifffile 2026.3.3.
# Seen: CogReader and the xarray engine "cog3pio" give an array with the dimensions band, y, x, that is filled in the order
#   of the file, which is y, x, band: the first "band" of a red, green and blue image is the upper third of all three, pixel by
#   pixel, and each place has the values of another one. Shape and coordinates are right. No error, no warning; with all data
#   types, in strips and in tiles. One band is right; bands that lie apart are an error.
# Expected: the bands: "RGBRGBRGB..." is the order of PlanarConfiguration 1 (TIFF 6.0, section 8); or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
for python in python3 python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then break; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    cog3pio==0.0.1 xarray==2026.9.0 rasterio==1.4.4 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat > look.py <<'PY'
import os
import sys

import numpy
import rasterio
import tifffile
import xarray
from cog3pio import CogReader

HIGH, WIDE = 48, 64
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5000000)}
random = numpy.random.default_rng(1)
same = True
for kind, bands, options in (
    ("uint8", 3, {}), ("uint16", 6, {"compress": "deflate"}), ("float32", 2, {"compress": "lzw"}),
    ("int16", 3, {"tiled": True, "blockxsize": 16, "blockysize": 16}), ("uint16", 1, {}),
):
    pixels = random.integers(0, 250, (bands, HIGH, WIDE)).astype(kind)
    path = os.path.abspath(f"{kind}-{bands}.tif")
    with rasterio.open(path, "w", driver="GTiff", width=WIDE, height=HIGH, count=bands, dtype=kind, **PLACE, **options) as out:
        out.write(pixels)
    with rasterio.open(path) as file:
        assert file.interleaving.name == "pixel" or bands == 1
        assert numpy.array_equal(file.read(), pixels)
    bands_last = tifffile.imread(path).reshape(HIGH, WIDE, bands)
    assert numpy.array_equal(numpy.moveaxis(bands_last, -1, 0), pixels)
    read = numpy.from_dlpack(CogReader(path))
    with xarray.open_dataarray(path, engine="cog3pio") as cube:
        assert cube.dims == ("band", "y", "x") and cube.shape == pixels.shape
        assert numpy.array_equal(cube.values, read)
        assert cube.x.values[0] == 500005 and cube.y.values[0] == 4999995
    wrong = float((read != pixels).mean())
    in_order_of_file = numpy.array_equal(read, bands_last.reshape(bands, HIGH, WIDE))
    print(f"{kind}, {bands} bands, {options}: {wrong:.0%} of {read.shape} wrong, filled in the order of the file {in_order_of_file}")
    same &= in_order_of_file and (wrong > 0.9 if bands > 1 else wrong == 0)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
