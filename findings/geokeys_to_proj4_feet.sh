#!/usr/bin/env bash
# geotiff-geokeys-to-proj4: a GeoTIFF in a State Plane zone in US survey feet, as elevation models and orthophotos of counties and
# states are (New York, California), named by its code.
#
# Versions: geotiff-geokeys-to-proj4 2024.4.13, geotiff 3.0.5, proj4 2.22.0 (npm; Node.js 20); rasterio 1.4.4 writes, and reads
#   as a comparison.
# Seen: feet are made metres twice: by `coordinatesConversionParameters` (0.3048006) and by +to_meter=0.3048006096 in the string,
#   for proj4js takes that unit for its input. Used as the README has it, a place in New York is 250 km away, and one in
#   California 1,389 km. `errors` is empty, and `coordinatesUnits` says metre.
#   Right are zones in metres, and a projection in feet whose parameters are in the keys: there the string is without +to_meter.
# Expected: one of the two: `coordinatesUnits` is "metre" after the factor, so the string should take metres.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund geotiff-geokeys-to-proj4@2024.4.13 geotiff@3.0.5 proj4@2.22.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cat > write.py <<'PY'
import json

import numpy
import rasterio
from rasterio.warp import transform

PLACES = {
    "new_york_feet": ("EPSG:2263", (-73.35, 40.81)),
    "california_feet": ("EPSG:2230", (-116.77, 33.166)),
    "california_metres": ("EPSG:26946", (-116.77, 33.166)),
    "keys_feet": ("+proj=tmerc +lat_0=40 +lon_0=-100 +k=0.9999 +x_0=600000 +datum=WGS84 +units=us-ft", (-99.5, 40.3)),
}
for name, (crs, place) in PLACES.items():
    (x,), (y,) = transform("EPSG:4326", crs, [place[0]], [place[1]])
    area = {"crs": crs, "transform": rasterio.Affine(10, 0, x, 0, -10, y)}
    with rasterio.open(f"{name}.tif", "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8", **area) as out:
        out.write(numpy.zeros((1, 2, 2), "uint8"))
    with rasterio.open(f"{name}.tif") as file:
        (lon,), (lat,) = transform(file.crs, "EPSG:4326", [file.transform.c], [file.transform.f])
    assert numpy.allclose((lon, lat), place, atol=1e-6)
with open("right.json", "w") as target:
    json.dump({name: place for name, (_, place) in PLACES.items()}, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { fromFile } from 'geotiff';
import geokeys from 'geotiff-geokeys-to-proj4';
import proj4 from 'proj4';

let same = true;
for (const [name, place] of Object.entries(JSON.parse(readFileSync('right.json')))) {
  const image = await (await fromFile(`${name}.tif`)).getImage();
  const made = geokeys.toProj4(image.getGeoKeys());
  const [x, y] = image.getOrigin();
  const point = geokeys.convertCoordinates(x, y, 0, made.coordinatesConversionParameters);
  const away = (one) => Math.hypot((one[0] - place[0]) * Math.cos(place[1] * Math.PI / 180), one[1] - place[1]) * 111.2;
  const found = proj4(made.proj4, 'WGS84').forward([point.x, point.y]);
  const once = proj4(made.proj4, 'WGS84').forward([x, y]);
  const unit = made.proj4.match(/\+to_meter=\S+/)?.[0] ?? 'no +to_meter';
  console.log(`${name}: factor ${made.coordinatesConversionParameters.x.toFixed(4)}, ${unit}, ${made.coordinatesUnits},`,
    `errors ${Object.keys(made.errors)}; ${place} is ${found.map((v) => v.toFixed(3))}, off by ${away(found).toFixed(0)} km`);
  if (['new_york_feet', 'california_feet'].includes(name)) {
    same &&= away(found) > 200 && away(once) < 0.01 && Object.keys(made.errors).length === 0;
  } else {
    same &&= away(found) < 0.01;
  }
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
