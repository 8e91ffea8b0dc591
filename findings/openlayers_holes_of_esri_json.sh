#!/usr/bin/env bash
# OpenLayers and terraformer: outlines as Esri JSON, the answer of an ArcGIS feature service, of two polygons in one feature: one
# that goes around the other as a bay or an oxbow does, or has the other as an island in its hole; and the inner one has a hole.
#
# Versions: ol 10.11.0 and @terraformer/arcgis 2.2.2 (npm; Node.js 20); pyogrio 0.13.0 with geopandas 1.2.0 (driver ESRIJSON) reads
#   as a comparison.
# Seen: readGeometry() of ol/format/EsriJSON gives a hole to the last polygon whose bounding box is around that of the hole:
#   the pond of the inner polygon becomes a hole of the outer one, outside of it, and a point in the pond lies in the geometry.
#   terraformer does so for an island in a hole alone. With the rings in another order both are right. No error, no warning.
# Expected: the hole in the polygon that is around it, whatever the order (Esri, "Geometry objects", on polygons: rings are in no
#   order, holes lie inside of an outer ring; OGC Simple Features, 6.1.11.1: holes lie within the polygon), as GDAL has it.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund ol@10.11.0 @terraformer/arcgis@2.2.2 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 numpy==2.4.6
cat > by_npm.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { arcgisToGeoJSON } from '@terraformer/arcgis';
import EsriJSON from 'ol/format/EsriJSON.js';
import GeoJSON from 'ol/format/GeoJSON.js';

const found = { ol: {}, terraformer: {} };
for (const [name, rings] of Object.entries(JSON.parse(readFileSync('rings.json')))) {
  found.ol[name] = new GeoJSON().writeGeometryObject(new EsriJSON().readGeometry({ rings }));
  found.terraformer[name] = arcgisToGeoJSON({ rings: structuredClone(rings) });
}
console.log(JSON.stringify(found));
JS
cat > look.py <<'PY'
import json
import subprocess
import sys

import geopandas
import shapely
from shapely.geometry import polygon

POND = shapely.Point(3, 5)
inner = shapely.Polygon([(1, 3), (6, 3), (6, 7), (1, 7)], [[(2, 4), (4, 4), (4, 6), (2, 6)]])
bay = shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10), (0, 8), (8, 8), (8, 2), (0, 2)])
lake = shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(0.5, 2), (8, 2), (8, 8), (0.5, 8)]])
SHAPES = {
    "in a bay, inner first": [inner, bay],
    "in a bay, outer first": [bay, inner],
    "island, inner first": [inner, lake],
    "island, outer first": [lake, inner],
}
WRONG = {
    "ol": ["in a bay, inner first", "island, inner first"],
    "terraformer": ["island, inner first"],
    "pyogrio": [],
}
rings = {}
readers = {"pyogrio": {}}
for name, parts in SHAPES.items():
    shape = shapely.MultiPolygon(parts)
    assert shape.is_valid and not shape.contains(POND)
    turned = [polygon.orient(part, -1) for part in parts]  # outer rings clockwise
    rings[name] = [list(map(list, ring.coords)) for part in turned for ring in (part.exterior, *part.interiors)]
    feature = {"attributes": {"n": 1}, "geometry": {"rings": rings[name]}}
    fields = [{"name": "n", "type": "esriFieldTypeInteger"}]
    answer = {"geometryType": "esriGeometryPolygon", "fields": fields, "features": [feature]}
    with open("answer.json", "w") as target:
        json.dump(answer | {"spatialReference": {"wkid": 4326}}, target)
    readers["pyogrio"][name] = geopandas.read_file("answer.json").geometry[0]
with open("rings.json", "w") as target:
    json.dump(rings, target)
run = subprocess.run(["node", "by_npm.mjs"], check=True, capture_output=True)
for reader, found in json.loads(run.stdout).items():
    readers[reader] = {name: shapely.geometry.shape(one) for name, one in found.items()}
same = True
for reader, found in readers.items():
    for name, shape in found.items():
        holes = [len(part.interiors) for part in shape.geoms]
        pond_is_in = any(part.contains(POND) for part in shape.geoms)
        print(f"{reader}, {name}: valid {shape.is_valid}, holes {holes}, a point in the pond is in the polygon: {pond_is_in}")
        wrong = name in WRONG[reader]
        same &= shape.is_valid != wrong and pond_is_in == wrong
        same &= wrong or shape.equals(shapely.MultiPolygon(SHAPES[name]))
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python -W ignore look.py
