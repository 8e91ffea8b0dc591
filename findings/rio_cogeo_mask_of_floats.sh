#!/usr/bin/env bash
# rio-cogeo: the mask of a GeoTIFF whose numbers are floats or signed, such as elevations, temperatures or backscatter in
# decibels, and that says by an internal mask (Mask Flags: PER_DATASET), and not by a nodata value, which pixels are none.
#
# Versions: rio-cogeo 7.0.4, rio-tiler 9.4.12, rasterio 1.4.4 (seen with rasterio 1.5.2 and GDAL 3.12.2 too).
# Seen: of a raster with 320 pixels that are masked cog_translate() makes a COG in which no pixel is masked, and these 320
#   are 0, with the data types int8, int16, int32, uint32, float32 and float64: the ground is at sea level there, and
#   valid. No error, no warning; also with use_cog_driver=True. The mask flag says PER_DATASET still. uint8 and uint16 keep
#   their mask. rio-tiler, which reads by the same way (WarpedVRT with add_alpha), gives the original as valid
#   throughout, but for uint32. rasterio.open() and GDAL read the mask of all.
# Expected: 320 masked pixels, or an error. That masks are not recommended for these types is said of add_mask=True only,
#   which makes one of a nodata value; here the input has it.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rio-cogeo==7.0.4 rio-tiler==9.4.12 rasterio==1.4.4 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import numpy
import rasterio
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_translate
from rio_cogeo.profiles import cog_profiles
from rio_tiler.io import Reader

for kind in (DeprecationWarning, FutureWarning, PendingDeprecationWarning):
    warnings.simplefilter("ignore", kind)
SIDE, ROWS, VALUE = 64, 5, 7
MASKED = ROWS * SIDE
WAYS = ({}, {"use_cog_driver": True})
profile = {"width": SIDE, "height": SIDE, "count": 1, "crs": "EPSG:32636", "transform": from_origin(500_000, 6000, 10, 10)}
same = True
for kind in ("uint8", "uint16", "int8", "int16", "int32", "uint32", "float32", "float64"):
    mask = numpy.full((SIDE, SIDE), 255, "uint8")
    mask[:ROWS] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(f"{kind}.tif", "w", driver="GTiff", dtype=kind, **profile) as out:
            out.write(numpy.full((1, SIDE, SIDE), VALUE, kind))
            out.write_mask(mask)
    with rasterio.open(f"{kind}.tif") as source:
        original = int((source.dataset_mask() == 0).sum())
    with Reader(f"{kind}.tif") as reader:
        by_tiler = int((reader.read().mask == 0).sum())
    kept = []
    for options in WAYS:
        cog_translate(f"{kind}.tif", "cog.tif", cog_profiles.get("deflate"), quiet=True, **options)
        with rasterio.open("cog.tif") as cog:
            kept.append((int((cog.dataset_mask() == 0).sum()), int((cog.read(1) == 0).sum())))
            flags = [one.name for one in cog.mask_flag_enums[0]]
    print(f"{kind}: {original} masked, rio-tiler {by_tiler}; in the COG (masked, 0) {kept} {flags}")
    is_kept = kind in ("uint8", "uint16")
    same &= original == MASKED and by_tiler == (MASKED if is_kept or kind == "uint32" else 0)
    same &= kept == [(MASKED if is_kept else 0, MASKED)] * len(WAYS) and flags == ["per_dataset"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
