#!/usr/bin/env bash
# rio-tiler: the sum of several assets in a mosaic (SumMethod), such as counts of clear observations, or of fires or detections,
# of some years, whose pixels have one or two bytes.
#
# Versions: rio-tiler 9.4.12, rasterio 1.4.4, which writes, and adds up as a comparison (rasterio.merge with method="sum").
# Seen: mosaic_reader() with SumMethod gives 44 for 200 + 100: a sum that does not fit the data type of the assets begins again
#   at 0, and 30000 + 20000 of int16 is -15536. No error, no warning, and the pixel is valid by the mask. The sum is made right,
#   and cast to the data type of the first asset after that.
# Expected: 300 and 50000, as rasterio has them, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rio-tiler==9.4.12 rasterio==1.4.4 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import numpy
import rasterio
import rasterio.merge
from rio_tiler.io import Reader
from rio_tiler.mosaic import mosaic_reader
from rio_tiler.mosaic.methods.defaults import SumMethod

warnings.simplefilter("error")
warnings.simplefilter("ignore", PendingDeprecationWarning)  # of affine, for an operator
SEEN = {"uint8": (200, 100, 44), "int16": (30000, 20000, -15536), "uint16": (60000, 10000, 4464), "int32": (60000, 10000, 70000)}
AREA = {"width": 64, "height": 64, "count": 1, "crs": "EPSG:3857", "transform": rasterio.Affine(10, 0, 0, 0, -10, 640)}


def preview(path):
    with Reader(path) as reader:
        return reader.preview()


same = True
for kind, (first, second, expected) in SEEN.items():
    paths = [f"{kind}-{year}.tif" for year in (2023, 2024)]
    for path, value in zip(paths, (first, second), strict=True):
        with rasterio.open(path, "w", driver="GTiff", dtype=kind, nodata=0, **AREA) as out:
            out.write(numpy.full((1, 64, 64), value, kind))
    image, used = mosaic_reader(paths, preview, pixel_selection=SumMethod(), threads=0)
    by_rasterio, _ = rasterio.merge.merge(paths, method="sum", dtype="float64")
    print(f"{kind}: {first} + {second} of {len(used)} assets is {image.data[0, 5, 5]} ({image.array.dtype}, mask",
          f"{image.mask[5, 5]}); by rasterio {by_rasterio[0, 5, 5]:.0f}")
    same &= len(used) == 2 and image.data[0, 5, 5] == expected and not image.array.mask.any()
    same &= by_rasterio[0, 5, 5] == first + second
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
