#!/usr/bin/env bash
# async-tiff: a tile of a sparse GeoTIFF that is not stored. GDAL leaves tiles out that hold nothing but nodata
# (SPARSE_OK=TRUE, usual for mosaics): their offset and byte count are 0.
#
# Versions: async-tiff 0.7.2, rasterio 1.4.4; tifffile 2026.3.3 as a comparison.
# Seen: rasterio and tifffile give the nodata value there. fetch_tile() of async-tiff asks the store for an empty range,
#   which it refuses: "Requested range was invalid"; that looks like a file that was cut.
# Expected: a tile of nodata, or an outcome that says that it is not stored.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    async-tiff==0.7.2 rasterio==1.4.4 tifffile==2026.3.3 numpy==2.4.6
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
from rasterio.windows import Window

warnings.simplefilter("ignore")
profile = {"driver": "GTiff", "width": 512, "height": 256, "count": 1, "dtype": "int16", "nodata": -9999}
profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "SPARSE_OK": True}
with rasterio.open("mosaic.tif", "w", **profile) as file:
    file.write(numpy.full((1, 256, 256), 7, "int16"), window=Window(0, 0, 256, 256))
with rasterio.open("mosaic.tif") as file:
    by_rasterio = int(file.read(1)[0, 300])
by_tifffile = int(tifffile.imread("mosaic.tif")[0, 300])


async def outcome(call):
    try:
        await call
        return "came"
    except Exception as error:
        return str(error)


async def look():
    found = await TIFF.open("mosaic.tif", store=LocalStore(os.getcwd()))
    first = await outcome(found.fetch_tile(0, 0, 0))
    second = await outcome(found.fetch_tile(1, 0, 0))
    return list(found.ifds[0].tile_byte_counts), first, second


counts, first, second = asyncio.run(look())
print("value by rasterio:", by_rasterio, "by tifffile:", by_tifffile, "byte counts:", counts)
print("async-tiff: tile 0:", first, "| tile 1:", second)
same = (by_rasterio, by_tifffile, first) == (-9999, -9999, "came")
same = same and counts[1] == 0 and "range was invalid" in second
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
