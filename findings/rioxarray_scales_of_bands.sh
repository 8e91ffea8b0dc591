#!/usr/bin/env bash
# rioxarray: a GeoTIFF whose bands do not have the same scale or offset, such as reflectances with an offset of -0.1 beside
# an aerosol band without one, read with its scales and written again.
#
# Versions: rioxarray 0.19.0, rasterio 1.4.4, xarray 2026.9.0 (seen with rioxarray 0.23.0 and rasterio 1.5.2 too).
# Seen: open_rasterio(mask_and_scale=True) gives the right values, each band by its own scale. to_raster() undoes what all
#   bands share, and no more, but stores all scales and offsets in the file and the integer type of the source. With
#   offsets that differ 0.2 is written as 2000 (scale 0.0001, offset -0.1), which is 0.1 for whoever reads it; with scales
#   that differ 0.2 is cut to 0, the nodata value, and 30 becomes 0.3. A warning at open_rasterio() is of the names of
#   attributes; to_raster() gives none. Where all bands have the same scale and offset the numbers are those of before.
# Expected: the numbers of before, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    rioxarray==0.19.0 rasterio==1.4.4 xarray==2026.9.0 pandas==2.3.3 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import numpy
import rasterio
import rioxarray
from rasterio.transform import from_origin

grid = {"crs": "EPSG:32636", "transform": from_origin(500_000, 1_000_000, 10, 10), "nodata": 0}
numbers = numpy.array([[[3000, 5000, 0]], [[2000, 3000, 0]]], "uint16")


def physical(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rioxarray.open_rasterio(path, mask_and_scale=True) as raster:
            return raster.load()


def written(scales, offsets):
    with rasterio.open("before.tif", "w", driver="GTiff", width=3, height=1, count=2, dtype="uint16", **grid) as out:
        out.write(numbers)
        out.scales, out.offsets = scales, offsets
    raster = physical("before.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        raster.rio.to_raster("after.tif")
    with rasterio.open("after.tif") as file:
        assert (file.scales, file.offsets, file.dtypes) == (scales, offsets, ("uint16", "uint16"))
        stored = file.read()[:, 0]
    before, after = (numpy.float64(one.values[:, 0]).round(4) for one in (raster, physical("after.tif")))
    print(f"scales {scales}, offsets {offsets}: {numbers[:, 0].tolist()} -> {stored.tolist()},")
    print(f"  read as {before.tolist()} before, {after.tolist()} after")
    return stored.tolist(), before, after


nan = float("nan")
same = True
stored, before, after = written((0.0001, 0.0001), (-0.1, -0.1))
same &= stored == numbers[:, 0].tolist() and numpy.array_equal(before, after, equal_nan=True)
stored, before, after = written((0.0001, 0.0001), (-0.1, 0.0))
same &= stored == [[2000, 4000, 0], [2000, 3000, 0]]
same &= numpy.allclose(before, [[0.2, 0.4, nan], [0.2, 0.3, nan]], equal_nan=True)
same &= numpy.allclose(after, [[0.1, 0.3, nan], [0.2, 0.3, nan]], equal_nan=True)
stored, before, after = written((0.0001, 0.01), (0.0, 0.0))
same &= stored == [[0, 0, 0], [20, 30, 0]]
same &= numpy.allclose(before, [[0.3, 0.5, nan], [20, 30, nan]], equal_nan=True)
same &= numpy.allclose(after, [[nan, nan, nan], [0.2, 0.3, nan]], equal_nan=True)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
