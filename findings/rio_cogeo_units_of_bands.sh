#!/usr/bin/env bash
# rio-cogeo: the unit of a band, such as "K" of land surface temperature or "m" of an elevation model, in the COG that is
# made of a GeoTIFF.
#
# Versions: rio-cogeo 7.0.4, rasterio 1.4.4.
# Seen: cog_translate() copies the scale, the offset and the description of each band, and its tags where it is asked to;
#   the unit is gone, with both of its ways to write, and also with forward_band_tags and forward_ns_tags. No warning.
#   cog_validate() says the file is valid. The COG driver of GDAL by itself keeps the unit.
# Expected: the unit beside the scale.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rio-cogeo==7.0.4 rasterio==1.4.4 numpy==2.4.6
cat > look.py <<'PY'
import sys

import numpy
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin
from rio_cogeo import cog_profiles, cog_translate, cog_validate

SIDE = 512
grid = {"crs": "EPSG:32636", "transform": from_origin(500_000, 1_000_000, 10, 10), "nodata": 0}
with rasterio.open("source.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16", **grid) as out:
    out.write(numpy.full((1, SIDE, SIDE), 15_000, "uint16"))
    out.units, out.scales, out.offsets, out.descriptions = ("K",), (0.02,), (1.5,), ("surface temperature",)
    out.update_tags(1, sensor="TIRS")


def band(path):
    with rasterio.open(path) as file:
        return file.units[0], file.scales[0], file.offsets[0], file.descriptions[0], file.tags(1).get("sensor")


whole = ("K", 0.02, 1.5, "surface temperature", "TIRS")
rasterio.shutil.copy("source.tif", "by_gdal.tif", driver="COG")
print("source:", band("source.tif"), "by GDAL:", band("by_gdal.tif"))
same = band("source.tif") == band("by_gdal.tif") == whole
for by_driver in (False, True):
    options = {"use_cog_driver": by_driver, "forward_band_tags": True, "forward_ns_tags": True, "quiet": True}
    cog_translate("source.tif", "cog.tif", cog_profiles.get("deflate"), **options)
    print(f"cog_translate(use_cog_driver={by_driver}):", band("cog.tif"))
    same &= band("cog.tif") == (None, *whole[1:]) and cog_validate("cog.tif")[0]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
