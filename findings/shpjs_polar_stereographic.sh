#!/usr/bin/env bash
# shpjs, and proj4js beneath it: a shapefile in a polar stereographic projection of the north, such as the grids of sea ice
# of the NSIDC (EPSG:3413) and of Arctic products (EPSG:3995), whose .prj says so in the WKT of Esri, as GDAL writes it.
#
# Versions: shpjs 6.2.0 with proj4 2.22.0 (npm; Node.js 20); geopandas 1.2.0 with pyogrio 0.13.0 writes, and reads as a
#   comparison, with pyproj 3.7.2.
# Seen: the points of Stereographic_North_Pole are thousands of kilometres away: the standard parallel of the .prj (70) is
#   taken for the latitude of origin, and 120 W 70 N becomes 83.5 W 59.0 N. So are those of a Mercator projection with a standard
#   parallel (EPSG:3994): it is left out. No error, no warning. Stereographic_South_Pole and the same projection as a PROJ
#   string are right, and of the north as WKT 2 too.
# Expected: the points where geopandas has them: the standard parallel is where the scale is true, and the latitude of origin
#   is the pole (Esri's Stereographic_North_Pole; EPSG method 9829, Polar Stereographic (variant B)).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund shpjs@6.2.0 proj4@2.22.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    geopandas==1.2.0 pyogrio==0.13.0 pyproj==3.7.2 shapely==2.2.0 numpy==2.4.6
cat > write.py <<'PY'
import json
import pathlib
import zipfile

import geopandas
import pyproj
import shapely

PLACES = {
    3413: [(-120, 70), (-45, 62), (10, 80), (170, 75)],
    3995: [(-120, 70), (-45, 62), (10, 80), (170, 75)],
    3994: [(120, -45), (170, -50)],
    3031: [(-120, -70), (0, -62), (170, -75)],
    6931: [(-120, 70), (10, 80)],
}
right = {}
for code, places in PLACES.items():
    pathlib.Path(str(code)).mkdir()
    table = geopandas.GeoDataFrame({"n": range(len(places))}, geometry=[shapely.Point(place) for place in places], crs=4326)
    table.to_crs(code).to_file(f"{code}/points.shp")
    again = geopandas.read_file(f"{code}/points.shp").to_crs(4326)
    assert all(shapely.equals_exact(again.geometry.values, table.geometry.values, 1e-6))
    with zipfile.ZipFile(f"{code}.zip", "w") as archive:
        for path in sorted(pathlib.Path(str(code)).iterdir()):
            archive.write(path, path.name)
    crs = pyproj.CRS.from_epsg(code)
    metres = pyproj.Transformer.from_crs(4326, code, always_xy=True).transform(*places[0])
    right[code] = {"places": places, "metres": metres, "proj": crs.to_proj4(), "wkt2": crs.to_wkt()}
    right[code]["projection"] = pathlib.Path(f"{code}/points.prj").read_text().split('PROJECTION["')[1].split('"')[0]
with open("right.json", "w") as target:
    json.dump(right, target)
PY
env/bin/python -W ignore write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import proj4 from 'proj4';
import shp from 'shpjs';

const far = (one, other) => Math.hypot((one[0] - other[0]) * Math.cos(other[1] * Math.PI / 180), one[1] - other[1]) * 111.2;
let same = true;
for (const [code, { places, metres, proj, wkt2, projection }] of Object.entries(JSON.parse(readFileSync('right.json')))) {
  const found = (await shp(readFileSync(`${code}.zip`))).features.map((feature) => feature.geometry.coordinates);
  const away = found.map((place, n) => far(place, places[n]));
  const others = (code === '3994' ? [proj] : [proj, wkt2]).map((text) => far(proj4(text).inverse(metres), places[0]));
  console.log(`EPSG:${code} (${projection}): ${places[0]} is ${found[0].map((x) => x.toFixed(2))}, off by up to`,
    `${Math.max(...away).toFixed(0)} km; by PROJ string and WKT 2: ${others.map((x) => x.toFixed(0))} km`);
  same &&= ['3413', '3995', '3994'].includes(code) ? Math.min(...away) > 500 : Math.max(...away) < 0.01;
  same &&= Math.max(...others) < 0.01;
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
