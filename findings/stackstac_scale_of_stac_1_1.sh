#!/usr/bin/env bash
# stackstac: scale and offset of an item of STAC 1.1, where `bands` (with raster:scale and raster:offset of the raster
# extension 2.0) has taken the place of raster:bands.
#
# Versions: stackstac 0.5.1, rasterio 1.4.4.
# Seen: stack() has rescale=True by default, and says that it takes scale and offset from the item. Two items for one
#   file with the digital number 5000, scale 0.0001 and offset -0.1: of that with raster:bands (STAC 1.0) it gives 0.4, of
#   that with bands (STAC 1.1), or with the two fields in the asset itself, 5000. No error, no warning. A collection
#   whose server moves to STAC 1.1 between two runs has other values from then on, and a stack of items of both kinds
#   has both units.
# Expected: 0.4 of each, or an error. rescale=False with the scale applied by hand gives the same of each.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check stackstac==0.5.1 rasterio==1.4.4 numpy==2.4.6 pandas==2.3.3
cat > look.py <<'PY'
import os
import sys
import warnings

import numpy
import rasterio
import stackstac
from rasterio.transform import from_origin

warnings.simplefilter("ignore", FutureWarning)
grid = {"crs": "EPSG:32636", "transform": from_origin(500_000, 40, 10, 10)}
with rasterio.open("red.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="uint16", nodata=0, **grid) as out:
    out.write(numpy.full((1, 4, 4), 5000, "uint16"))


def item(version, raster, time, **fields):
    extensions = f"https://stac-extensions.github.io/raster/{raster}/schema.json"
    ring = [[33, 0], [33.0004, 0], [33.0004, 0.0004], [33, 0.0004], [33, 0]]
    return {
        **{"type": "Feature", "stac_version": version, "stac_extensions": [extensions], "id": time, "collection": "c"},
        **{"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [33, 0, 33.0004, 0.0004], "links": []},
        "properties": {"datetime": time, "proj:code": "EPSG:32636", "proj:epsg": 32636, "proj:shape": [4, 4]}
        | {"proj:transform": [10, 0, 500_000, 0, -10, 40]},
        "assets": {"red": {"href": os.path.abspath("red.tif"), "type": "image/tiff; application=geotiff"} | fields},
    }


common = {"nodata": 0, "data_type": "uint16"}
scaled = common | {"raster:scale": 0.0001, "raster:offset": -0.1}
items = [
    item("1.0.0", "v1.1.0", "2024-01-01T00:00:00Z", **{"raster:bands": [common | {"scale": 0.0001, "offset": -0.1}]}),
    item("1.1.0", "v2.0.0", "2024-01-02T00:00:00Z", bands=[scaled | {"name": "red"}]),
    item("1.1.0", "v2.0.0", "2024-01-03T00:00:00Z", **scaled),
]
cube = stackstac.stack(items, assets=["red"], epsg=32636, resolution=10).compute()
raw = stackstac.stack(items, assets=["red"], epsg=32636, resolution=10, rescale=False).compute()
values = [round(float(one), 6) for one in cube.mean(("band", "y", "x"))]
print("rescale=True: ", dict(zip(("raster:bands", "bands", "asset"), values)))
print("rescale=False:", [float(one) for one in raw.mean(("band", "y", "x"))])
same = values == [0.4, 5000, 5000] and bool((raw == 5000).all())
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
