#!/usr/bin/env bash
# Bounds of a GeoTIFF whose pixels are points (GTRasterTypeGeoKey is RasterPixelIsPoint), as elevation models such as SRTM and the
# Copernicus DEM are stored: its tie point is the centre of the first pixel.
#
# Versions: geotiff 3.0.5, @cogeotiff/core 9.5.0 (npm; Node.js 20); rasterio 1.4.4 (GDAL 3.10) writes, and reads as a
#   comparison, with async-geotiff 0.5.1.
# Seen: getOrigin() and getBoundingBox() of geotiff.js, and origin and bbox of cogeotiff, have the tie point as the corner: of a
#   raster from 500000 to 500320 in pixels of 10 m they give 500005 to 500325, half a pixel to the east and to the south.
#   rasterio and async-geotiff give 500000 to 500320, and all four agree where pixels are areas. No error; pixelIsArea() of
#   geotiff.js is false, as it is.
# Expected: the same bounds from each: in the PixelIsPoint raster space of OGC GeoTIFF 1.1 (19-008r4) the point (0, 0) is the
#   centre of the first pixel, whose area begins half a pixel before it.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund geotiff@3.0.5 @cogeotiff/core@9.5.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check async-geotiff==0.5.1 obstore==0.12.1 rasterio==1.4.4 numpy==2.4.6
cat > by_node.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Tiff } from '@cogeotiff/core';
import { fromFile } from 'geotiff';

const found = {};
for (const name of process.argv.slice(2)) {
  const image = await (await fromFile(name)).getImage();
  const bytes = readFileSync(name);
  const source = {
    url: pathToFileURL(name),
    metadata: { size: bytes.length },
    fetch: async (from, length) => Uint8Array.from(bytes.subarray(from, length ? from + length : undefined)).buffer,
  };
  const cog = (await Tiff.create(source)).images[0];
  found[name] = { 'geotiff.js': image.getBoundingBox(), cogeotiff: cog.bbox, area: image.pixelIsArea() };
}
console.log(JSON.stringify(found));
JS
cat > look.py <<'PY'
import asyncio
import json
import os
import subprocess
import sys

import numpy
import rasterio
from async_geotiff import GeoTIFF
from obstore.store import LocalStore
from rasterio.transform import from_origin

RIGHT = [500_000, 80, 500_320, 400]
grid = {"crs": "EPSG:32636", "transform": from_origin(500_000, 400, 10, 10), "width": 32, "height": 32}
for kind in ("area", "point"):
    with rasterio.open(f"{kind}.tif", "w", driver="GTiff", count=1, dtype="int16", tiled=True, blockxsize=16,
                       blockysize=16, **grid) as out:
        out.write(numpy.arange(1024, dtype="int16").reshape(1, 32, 32))
        out.update_tags(AREA_OR_POINT=kind.capitalize())


async def by_async_geotiff(name):
    return list((await GeoTIFF.open(name, store=LocalStore(os.getcwd()))).bounds)


run = subprocess.run(["node", "by_node.mjs", "area.tif", "point.tif"], check=True, capture_output=True)
by_node = json.loads(run.stdout)
same = True
for name in ("area.tif", "point.tif"):
    with rasterio.open(name) as file:
        bounds = {"rasterio": list(file.bounds), "async-geotiff": asyncio.run(by_async_geotiff(name))}
    bounds |= {reader: by_node[name][reader] for reader in ("geotiff.js", "cogeotiff")}
    print(name, bounds)
    moved = [500_005, 75, 500_325, 395] if name == "point.tif" else RIGHT
    same &= bounds["rasterio"] == bounds["async-geotiff"] == RIGHT
    same &= bounds["geotiff.js"] == bounds["cogeotiff"] == moved
    same &= by_node[name]["area"] is (name == "area.tif")
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
