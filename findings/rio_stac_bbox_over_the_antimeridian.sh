#!/usr/bin/env bash
# rio-stac: the item of a scene that lies over the antimeridian, such as a tile of UTM zone 1.
#
# Versions: rio-stac 0.12.0, rasterio 1.4.4.
# Seen: create_stac_item() cuts the geometry in two at 180 degrees, as RFC 7946 wants it, and gives the bbox -180, 180: of
#   a scene that is 0.9 degrees wide it goes all around the earth. A search that compares boxes, such as by the
#   statistics of a stac-geoparquet file, finds it in Africa too; the extent of its collection is the whole earth.
# Expected: a bbox from the western edge to the eastern one, 179.55 to -179.55 (RFC 7946 5.2).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rio-stac==0.12.0 rasterio==1.4.4
cat > look.py <<'PY'
import sys

import numpy
import rasterio
import rio_stac
from rasterio.transform import from_origin

profile = {"driver": "GTiff", "width": 100, "height": 100, "count": 1, "dtype": "uint8"}
with rasterio.open("scene.tif", "w", crs="EPSG:32601", transform=from_origin(116_021, 100_000, 1000, 1000), **profile) as file:
    file.write(numpy.ones((1, 100, 100), "uint8"))
item = rio_stac.create_stac_item("scene.tif")
west, _, east, _ = item.bbox
pieces = item.geometry["coordinates"] if item.geometry["type"] == "MultiPolygon" else []
longitudes = [[round(position[0], 2) for position in piece[0]] for piece in pieces]
spans = sorted((min(one), max(one)) for one in longitudes)
print("geometry:", item.geometry["type"], spans)
print("bbox:", west, east)
same = (west, east) == (-180, 180) and len(spans) == 2 and all(high - low < 0.5 for low, high in spans)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
