#!/usr/bin/env bash
# geotiff-geokeys-to-proj4: a GeoTIFF in polar stereographic projection, such as a mosaic of Antarctica (EPSG:3031), sea ice of
# the NSIDC (EPSG:3976) or an Arctic product (EPSG:3995), whose geokeys are made to a PROJ string.
#
# Versions: geotiff-geokeys-to-proj4 2024.4.13, geotiff 3.0.5, proj4 2.22.0 (npm; Node.js 20); rasterio 1.4.4 writes, and reads
#   as a comparison.
# Seen: the string has no +lat_0, so that it is a projection around the equator: a corner at 46.8 W 77.7 S is near 8.8 W
#   8.2 N, thousands of kilometres away, by proj4js. The `errors` of the result are empty. EPSG:3413 is right.
# Expected: +lat_0=-90 +lat_ts=-71 for EPSG:3031: of Polar Stereographic (variant B; EPSG method 9829) the latitude of the
#   standard parallel is a parameter, and its sign says which pole is the origin.
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

PLACES = {3031: (-46.8, -77.7), 3976: (-46.8, -77.7), 3995: (-46.8, 72.3), 3413: (-46.8, 72.3), 32633: (14.0, 47.0)}
for code, place in PLACES.items():
    name = f"EPSG:{code}"
    (x,), (y,) = transform("EPSG:4326", name, [place[0]], [place[1]])
    area = {"crs": name, "transform": rasterio.Affine(10, 0, x, 0, -10, y)}
    with rasterio.open(f"{code}.tif", "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8", **area) as out:
        out.write(numpy.zeros((1, 2, 2), "uint8"))
    with rasterio.open(f"{code}.tif") as file:
        (lon,), (lat,) = transform(file.crs, "EPSG:4326", [file.transform.c], [file.transform.f])
    assert numpy.allclose((lon, lat), place, atol=1e-6)
with open("right.json", "w") as target:
    json.dump(PLACES, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { fromFile } from 'geotiff';
import geokeys from 'geotiff-geokeys-to-proj4';
import proj4 from 'proj4';

let same = true;
for (const [code, place] of Object.entries(JSON.parse(readFileSync('right.json')))) {
  const image = await (await fromFile(`${code}.tif`)).getImage();
  const { proj4: text, errors, shouldConvertCoordinates } = geokeys.toProj4(image.getGeoKeys());
  const away = (definition) => {
    const [lon, lat] = proj4(definition, 'WGS84').forward(image.getOrigin().slice(0, 2));
    return Math.hypot((lon - place[0]) * Math.cos(place[1] * Math.PI / 180), lat - place[1]) * 111.2;
  };
  const pole = text.replace(/\+lat_0=\S+/, '') + (place[1] < 0 ? '+lat_0=-90' : '+lat_0=90');
  console.log(`${code}: ${text.trim()}\n  errors: ${Object.keys(errors)}; ${place} is off by ${away(text).toFixed(0)} km`,
    ['32633', '3413'].includes(code) ? '' : `(with the pole as +lat_0 by ${away(pole).toFixed(0)} km)`);
  same &&= !shouldConvertCoordinates;
  if (['3031', '3976', '3995'].includes(code)) {
    same &&= away(text) > 5000 && away(pole) < 0.01 && !text.includes('+lat_0') && Object.keys(errors).length === 0;
  } else {
    same &&= away(text) < 0.01;
  }
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
