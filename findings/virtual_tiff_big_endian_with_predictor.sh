#!/usr/bin/env bash
# virtual-tiff: a tiled GeoTIFF in big-endian byte order ("MM"), as some older products and cameras have it, that was compressed
# with horizontal differencing (predictor 2), read as Zarr without a copy.
#
# Versions: virtual-tiff 0.5.0, virtualizarr 2.5.1, zarr 3.1.6, obstore 0.12.1; rasterio 1.4.4 writes, and tifffile 2026.3.3
#   with imagecodecs 2026.3.6 reads as a comparison.
# Seen: most values are wrong (int16, uint16, int32), without an error: the differences are added up before the bytes are
#   turned round, and a sum that goes over 255 is carried into the wrong byte. So with DEFLATE, LZW and ZSTD. Right are the same file without a
#   predictor, in little-endian, and with one byte a sample.
# Expected: the values: the differences are of samples, and samples are in the byte order of the file (TIFF 6.0, sections 2 and
#   14); or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    virtual-tiff==0.5.0 virtualizarr==2.5.1 zarr==3.1.6 obstore==0.12.1 rasterio==1.4.4 \
    tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6 xarray==2026.9.0
cat > look.py <<'PY'
import os
import sys
import warnings

import numpy
import rasterio
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF

warnings.simplefilter("ignore")  # no geotransform: it does not matter here
SIDE = 32
registry = ObjectStoreRegistry({"file://": LocalStore()})
layout = {"width": SIDE, "height": SIDE, "count": 1, "tiled": True, "blockxsize": 16, "blockysize": 16}


def by_virtual_tiff(path):
    group = zarr.open_group(VirtualTIFF(ifd=0)(f"file://{os.path.abspath(path)}", registry=registry), mode="r")
    ((_, array),) = group.arrays()
    return numpy.squeeze(array[:])


same = True
for kind in ("int16", "uint16", "int32", "uint8"):
    values = (numpy.arange(SIDE * SIDE).reshape(SIDE, SIDE) * 31 % (numpy.iinfo(kind).max + 1)).astype(kind)
    for order in ("BIG", "LITTLE"):
        for compress, predictor in (("DEFLATE", 2), ("LZW", 2), ("ZSTD", 2), ("DEFLATE", 1)):
            options = {"ENDIANNESS": order, "compress": compress, "predictor": predictor}
            with rasterio.open("file.tif", "w", driver="GTiff", dtype=kind, **layout, **options) as out:
                out.write(values[None])
            with rasterio.open("file.tif") as file:
                same &= numpy.array_equal(file.read(1), values)
            same &= numpy.array_equal(tifffile.imread("file.tif"), values)
            found = by_virtual_tiff("file.tif")
            wrong = int((found != values).sum())
            hit = order == "BIG" and predictor == 2 and kind != "uint8"
            if wrong or order == "BIG":
                print(f"{kind} {order} {compress} predictor {predictor}: {wrong} of {SIDE * SIDE} wrong;", end=" ")
                print(f"{found[0, :4]} of {values[0, :4]}")
            same &= (wrong > SIDE * SIDE / 2) if hit else wrong == 0
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
