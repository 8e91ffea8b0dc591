#!/usr/bin/env bash
# async-tiff: a tiled GeoTIFF whose bands lie apart (INTERLEAVE=BAND, PlanarConfiguration 2) and that was compressed with
# a predictor, as GDAL writes both for stacks of bands of which readers want one at a time.
#
# Versions: async-tiff 0.7.2; rasterio 1.4.4 writes, and tifffile 2026.3.3 with imagecodecs 2026.3.6 reads as a comparison.
# Seen: the tiles that fetch_tile() and decode() give have wrong values in nearly all columns, without an error:
#   the predictor is undone with a step of as many samples as there are bands, though each band is by itself here. So
#   with predictor 2 and 3, integers and floats. Right are the same files without a predictor, with the bands pixel by
#   pixel, and with one band. tifffile and rasterio read all of them.
# Expected: a step of one sample where the bands lie apart (TIFF 6.0, section 14), or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    async-tiff==0.7.2 rasterio==1.4.4 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat > look.py <<'PY'
import asyncio
import os
import sys
import warnings

import numpy
import rasterio
import tifffile
from async_tiff import TIFF
from async_tiff.store import LocalStore

warnings.simplefilter("ignore")  # no geotransform: it does not matter here
SIDE = 16
values = numpy.arange(2 * SIDE * SIDE).reshape(2, SIDE, SIDE) * 3


def write(name, kind, interleave, predictor, bands):
    options = {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE, "compress": "DEFLATE"}
    shape = {"width": SIDE, "height": SIDE, "count": bands, "dtype": kind}
    with rasterio.open(name, "w", driver="GTiff", interleave=interleave, predictor=predictor, **shape, **options) as out:
        out.write(values[:bands].astype(kind))


async def read(name):
    tiff = await TIFF.open(name, store=LocalStore(os.getcwd()))
    tile = numpy.asarray(await (await tiff.ifds[0].fetch_tile(0, 0)).decode())
    return tile if tile.shape[0] <= 2 else numpy.moveaxis(tile, -1, 0)


same = True
for kind, interleave, predictor, bands, is_right in (
    ("uint16", "band", 2, 2, False),
    ("float32", "band", 2, 2, False),
    ("float32", "band", 3, 2, False),
    ("uint16", "band", 1, 2, True),
    ("uint16", "pixel", 2, 2, True),
    ("float32", "pixel", 3, 2, True),
    ("uint16", "band", 2, 1, True),
):
    name = f"{kind}-{interleave}-{predictor}-{bands}.tif"
    write(name, kind, interleave, predictor, bands)
    expected = values[:bands].astype(kind)
    found = asyncio.run(read(name))
    by_tifffile = tifffile.imread(name)
    if by_tifffile.ndim == 2:
        by_tifffile = by_tifffile[None]
    elif by_tifffile.shape[-1] == bands:
        by_tifffile = numpy.moveaxis(by_tifffile, -1, 0)
    wrong = float((found != expected).mean())
    print(f"{name}: {found[0, 0, :4]} of {expected[0, 0, :4]}, {wrong:.0%} wrong")
    same &= (wrong == 0) == is_right and (is_right or wrong > 0.8)
    same &= numpy.array_equal(by_tifffile, expected) and numpy.array_equal(rasterio.open(name).read(), expected)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
