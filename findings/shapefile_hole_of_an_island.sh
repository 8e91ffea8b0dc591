#!/usr/bin/env bash
# shapefile for JavaScript: an outline with an island in a lake, and a pond on the island, as masks of land and water and labels of
# forest have them: two polygons with a hole each, of which one lies in the hole of the other.
#
# Versions: shapefile 0.6.6 (npm; Node.js 20); pyogrio 0.13.0 with geopandas 1.2.0 writes, and reads as a comparison, with
#   shpjs 6.2.0 (npm) and pyshp 3.1.6.
# Seen: read() puts the pond into the first polygon that is around it, the one with the lake, where it is a hole within a hole. The
#   island has none, and a point in the pond is on land. No error, no warning. With the island before the other polygon in the
#   record the pond is in the island.
# Expected: the pond as a hole of the island: holes lie in the smallest polygon around them, and the order of rings means
#   nothing (ESRI Shapefile Technical Description, 1998, "Polygon"; holes of a polygon do not lie in each other, OGC Simple
#   Features, 6.1.11.1).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund shapefile@0.6.6 shpjs@6.2.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    geopandas==1.2.0 pyogrio==0.13.0 pyshp==3.1.6 shapely==2.2.0 numpy==2.4.6
cat > by_npm.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { read } from 'shapefile';
import shp from 'shpjs';

const geometries = ({ features }) => features.map(({ geometry }) => geometry);
const [shpFile, dbfFile] = ['shp', 'dbf'].map((end) => readFileSync(`land.${end}`));
console.log(JSON.stringify({
  shapefile: geometries(await read('land.shp')),
  shpjs: geometries(await shp({ shp: shpFile, dbf: dbfFile })),
}));
JS
cat > look.py <<'PY'
import json
import subprocess
import sys

import geopandas
import shapefile
import shapely


def square(low, high):
    return shapely.box(low, low, high, high).exterior


land = shapely.Polygon(square(0, 10), [square(1, 9)])
island = shapely.Polygon(square(2, 8), [square(3, 4)])
POND = shapely.Point(3.5, 3.5)
orders = {"land, island": [land, island], "island, land": [island, land]}
shapes = [shapely.MultiPolygon(parts) for parts in orders.values()]
assert all(shape.is_valid and not shape.contains(POND) for shape in shapes)
geopandas.GeoDataFrame({"n": [0, 1]}, geometry=shapes, crs=4326).to_file("land.shp")
run = subprocess.run(["node", "by_npm.mjs"], check=True, capture_output=True)
readers = {name: [shapely.geometry.shape(one) for one in found] for name, found in json.loads(run.stdout).items()}
readers["pyogrio"] = list(geopandas.read_file("land.shp").geometry)
with shapefile.Reader("land.shp") as reader:
    readers["pyshp"] = [shapely.geometry.shape(one.__geo_interface__) for one in reader.shapes()]
same = True
for name, found in readers.items():
    for order, shape in zip(orders, found, strict=True):
        holes = [len(part.interiors) for part in shape.geoms]
        on_land = any(part.contains(POND) for part in shape.geoms)
        print(f"{name}, {order}: valid {shape.is_valid}, holes {holes}, the pond is land: {on_land}")
        wrong = (name, order) == ("shapefile", "land, island")
        same &= shape.is_valid != wrong and on_land == wrong and holes == ([2, 0] if wrong else [1, 1])
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python -W ignore look.py
