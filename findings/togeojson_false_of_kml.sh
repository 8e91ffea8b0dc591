#!/usr/bin/env bash
# togeojson: a KML file with a typed field that is true or false (SimpleField type="bool"), such as labels that say whether
# they were reviewed.
#
# Versions: @tmcw/togeojson 7.1.3 with @xmldom/xmldom 0.8.15 (npm; Node.js 20); pyogrio 0.13.0 with geopandas 1.2.0
#   writes (driver LIBKML), and reads as a comparison.
# Seen: kml() gives true for each value that is not empty, "false" and "0" too. All labels are reviewed then. No error.
#   Numbers of the same schema are numbers, and a text stays one. GDAL reads false.
# Expected: false for "false" and "0" (xsd:boolean).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @tmcw/togeojson@7.1.3 @xmldom/xmldom@0.8.15 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    pyogrio==0.13.0 geopandas==1.2.0 pandas==2.3.3 numpy==2.4.6
cat > write.py <<'PY'
import json
import re

import geopandas
import numpy
from shapely.geometry import Point

columns = {"reviewed": [True, False], "parcels": numpy.array([3, 0], "int32"), "crop": ["maize", "0001"]}
frame = geopandas.GeoDataFrame(columns, geometry=[Point(36, 0), Point(37, 0)], crs=4326)
frame.to_file("by_gdal.kml", driver="LIBKML", engine="pyogrio")
text = open("by_gdal.kml").read()
written = re.findall(r'<SimpleData name="reviewed">([^<]*)<', text)
print("by_gdal.kml:", re.findall(r'<SimpleField [^>]*name="reviewed"[^>]*>', text), written)
words = {"1": "true", "0": "false", "true": "1", "false": "0"}
other = re.sub(r'(<SimpleData name="reviewed">)([^<]*)<', lambda found: f"{found[1]}{words[found[2]]}<", text)
open("other_spelling.kml", "w").write(other)
right = {name: geopandas.read_file(f"{name}.kml", engine="pyogrio").reviewed.tolist()
         for name in ("by_gdal", "other_spelling")}
json.dump(right, open("right.json", "w"))
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { kml } from '@tmcw/togeojson';
import { DOMParser } from '@xmldom/xmldom';

const right = JSON.parse(readFileSync('right.json'));
let same = true;
for (const [name, values] of Object.entries(right)) {
  const { features } = kml(new DOMParser().parseFromString(readFileSync(`${name}.kml`, 'utf8'), 'text/xml'));
  const rows = features.map(({ properties: { reviewed, parcels, crop } }) => [reviewed, parcels, crop]);
  console.log(`${name}.kml: ${JSON.stringify(rows)}, reviewed by GDAL: ${JSON.stringify(values)}`);
  same &&= JSON.stringify(rows) === '[[true,3,"maize"],[true,0,"0001"]]' && JSON.stringify(values) === '[true,false]';
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
