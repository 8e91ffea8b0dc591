#!/usr/bin/env bash
# topojson (Python): lines as TopoJSON of which two run along each other in opposite directions, such as the two lanes of a road,
# and lines with points on a straight stretch.
#
# Versions: topojson 2.2, geopandas 1.2.0, shapely 2.2.0; topojson-server 3.0.1 and topojson-client 3.1.0 (npm; Node.js 20) as
#   a comparison.
# Seen: Topology(prequantize=False) gives both lines the arc 0, so to_gdf() and to_geojson() give the first one in the direction
#   of the second: from (2, 2) to (0, 0) in place of the other way. The points (0, 0), (1, 1), (2, 2) come back without
#   (1, 1), though nothing was to be simplified. No error, no warning. topojson-server gives the arcs 0 and ~0 (-1),
#   and all points. Of a line that is longer than the other at one end both directions are right.
# Expected: a negative index for an arc that is taken in reverse (TopoJSON format specification, 2.1.4), and the points.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund topojson-server@3.0.1 topojson-client@3.1.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check topojson==2.2 geopandas==1.2.0 shapely==2.2.0 numpy==2.4.6
cat > by_server.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { feature } from 'topojson-client';
import { topology } from 'topojson-server';

const made = topology({ data: JSON.parse(readFileSync('lines.geojson')) });
const arcs = made.objects.data.geometries.map((one) => one.arcs);
const lines = feature(made, made.objects.data).features.map((one) => one.geometry.coordinates);
console.log(JSON.stringify({ arcs, lines }));
JS
cat > look.py <<'PY'
import json
import subprocess
import sys

import geopandas
import shapely
import topojson

LINES = {
    "lanes": [[[0, 0], [1, 5], [2, 2]], [[2, 2], [1, 5], [0, 0]]],
    "straight": [[[0, 0], [1, 1], [2, 2]], [[5, 5], [6, 6], [8, 8]]],
    "longer": [[[0, 0], [1, 5], [2, 2], [3, 0]], [[2, 2], [1, 5], [0, 0]]],
}
WRONG = {
    "lanes": [[[2, 2], [1, 5], [0, 0]], [[2, 2], [1, 5], [0, 0]]],
    "straight": [[[0, 0], [2, 2]], [[5, 5], [8, 8]]],
}


def read(table):
    return [[list(place) for place in line.coords] for line in table.geometry]


same = True
for name, lines in LINES.items():
    table = geopandas.GeoDataFrame({"n": range(len(lines))}, geometry=[shapely.LineString(one) for one in lines], crs=4326)
    table.to_file("lines.geojson", driver="GeoJSON")
    by_server = json.loads(subprocess.run(["node", "by_server.mjs"], check=True, capture_output=True).stdout)
    made = topojson.Topology(table, prequantize=False)
    arcs = [one["arcs"] for one in json.loads(made.to_json())["objects"]["data"]["geometries"]]
    by_python = read(made.to_gdf())
    as_geojson = [one["geometry"]["coordinates"] for one in json.loads(made.to_geojson())["features"]]
    print(f"{name}: {lines}")
    print(f"  topojson: {by_python}, arcs {arcs}")
    print(f"  topojson-server: {by_server['lines']}, arcs {by_server['arcs']}")
    same &= by_server["lines"] == lines and by_python == as_geojson == WRONG.get(name, lines)
    same &= (arcs, by_server["arcs"]) == ([[0], [0]], [[0], [-1]]) if name == "lanes" else True
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
