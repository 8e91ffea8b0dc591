#!/usr/bin/env bash
# flatgeobuf for JavaScript: a GeoJSON collection whose features do not have the same properties, as labels have them of
# which some are not reviewed yet.
#
# Versions: flatgeobuf 4.5.0 (npm; Node.js 20); pyogrio 0.13.0 as a comparison, which reads and writes the same.
# Seen: serialize() makes the columns of the file of the properties of the first feature. A property that only a later
#   feature has is dropped there: it is in no column, and deserialize() gives the feature without it. No error, no
#   warning. With the features in another order the file has the column, and the feature without it an empty text there.
#   The format allows nulls, and GDAL, which writes the same collection, has all columns.
# Expected: the columns of all features, or an error; null where a feature has none.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund flatgeobuf@4.5.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyogrio==0.13.0 pyarrow==26.0.1 numpy==2.4.6
cat > look.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'flatgeobuf/lib/mjs/geojson.js';

const feature = (x, properties) => ({ type: 'Feature', geometry: { type: 'Point', coordinates: [x, 0] }, properties });
const features = [feature(36, { crop: 'maize' }), feature(37, { crop: 'wheat', reviewer: 'b' })];
for (const [name, ordered] of [['given', features], ['turned', [...features].reverse()]]) {
  const collection = { type: 'FeatureCollection', features: ordered };
  writeFileSync(`${name}.geojson`, JSON.stringify(collection));
  const bytes = serialize(collection);
  writeFileSync(`${name}.fgb`, bytes);
  const read = [];
  for await (const one of deserialize(bytes)) read.push(one.properties);
  writeFileSync(`${name}.json`, JSON.stringify(read));
  console.log(`${name}: ${JSON.stringify(ordered.map((one) => one.properties))} -> ${JSON.stringify(read)}`);
}
JS
node look.mjs
cat > look.py <<'PY'
import json
import sys

import pyogrio

pyogrio.write_arrow(pyogrio.read_arrow("given.geojson")[1], "gdal.fgb", driver="FlatGeobuf", geometry_type="Point",
                    crs="OGC:CRS84", geometry_name="wkb_geometry")
columns = {name: list(pyogrio.read_info(f"{name}.fgb")["fields"]) for name in ("given", "turned", "gdal")}
read = {name: json.load(open(f"{name}.json")) for name in ("given", "turned")}
print("columns in the files:", columns)
same = (
    columns == {"given": ["crop"], "turned": ["crop", "reviewer"], "gdal": ["crop", "reviewer"]}
    and not any("reviewer" in one for one in read["given"])
    and sorted(one.get("reviewer") for one in read["turned"]) == ["", "b"]
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
