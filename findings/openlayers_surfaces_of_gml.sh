#!/usr/bin/env bash
# OpenLayers: outlines as GML 3 that are a Surface of several patches, as cadastres and land cover are given in Europe (INSPIRE
# takes GML 3.2), and GML 2 whose coordinates have separators of their own.
#
# Versions: ol 10.11.0, jsdom 29.1.1 (npm; Node.js 20); pyogrio 0.13.0 with geopandas 1.2.0 (driver GML) as a comparison.
# Seen: readFeatures() of ol/format/GML32 and GML3 has the last patch of a Surface, the others are lost: half of the area. So for
#   a Surface in a MultiSurface. No error, no warning. One patch is right, and two Polygons of a MultiSurface are. GML2
#   leaves out cs and ts of gml:coordinates: "8 50,9 51" with cs=" " and ts="," is (8, NaN), (50, 9), (51, NaN).
# Expected: the whole surface: its patches together make it up (GML 3.2.1, 10.5, on Surface and patches), as GDAL has it; the
#   separators that the file names (GML 2.1.2, CoordinatesType in geometry.xsd).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund ol@10.11.0 jsdom@29.1.1 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 numpy==2.4.6
cat > by_ol.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
Object.assign(globalThis, { DOMParser: window.DOMParser, Node: window.Node, document: window.document });
const { default: GeoJSON } = await import('ol/format/GeoJSON.js');
const formats = {};
for (const name of ['GML2', 'GML3', 'GML32']) formats[name] = (await import(`ol/format/${name}.js`)).default;
const found = {};
for (const path of process.argv.slice(2)) {
  const Format = formats[path.split('-')[0]];
  const format = new Format({ featureNS: 'https://fields.example', featureType: 'field' });
  const [feature] = format.readFeatures(readFileSync(path, 'utf8'));
  found[path] = new GeoJSON().writeGeometryObject(feature.getGeometry());
}
console.log(JSON.stringify(found));
JS
cat > look.py <<'PY'
import json
import subprocess
import sys

import geopandas
import shapely

NAMES = {"GML32": "http://www.opengis.net/gml/3.2", "GML3": "http://www.opengis.net/gml", "GML2": "http://www.opengis.net/gml"}
UTM = 'srsName="http://www.opengis.net/def/crs/EPSG/0/32633"'


def ring(kind, low):
    outline = f"{low} 0 {low + 10} 0 {low + 10} 10 {low} 10 {low} 0"
    exterior = f"<gml:exterior><gml:LinearRing><gml:posList>{outline}</gml:posList></gml:LinearRing></gml:exterior>"
    return f"<gml:{kind}>{exterior}</gml:{kind}>"


def surface(*lows):
    return f"<gml:Surface {UTM}><gml:patches>{''.join(ring('PolygonPatch', low) for low in lows)}</gml:patches></gml:Surface>"


def multi(*members):
    inside = "".join(f"<gml:surfaceMember>{member}</gml:surfaceMember>" for member in members)
    return f"<gml:MultiSurface {UTM}>{inside}</gml:MultiSurface>"


def line(separators, text):
    return f'<gml:LineString srsName="EPSG:32633"><gml:coordinates {separators}>{text}</gml:coordinates></gml:LineString>'


GEOMETRIES = {
    "one patch": surface(0),
    "patches": surface(0, 10),
    "patches in MultiSurface": multi(surface(0, 10)),
    "polygons in MultiSurface": multi(ring("Polygon", 0), ring("Polygon", 20)),
}
texts = {f"{version}-{name}": text for version in ("GML32", "GML3") for name, text in GEOMETRIES.items()}
texts["GML2-usual"] = line('cs="," ts=" "', "8,50 9,51")
texts["GML2-separators"] = line('cs=" " ts=","', "8 50,9 51")
by_gdal = {}
for path, text in texts.items():
    gml = NAMES[path.split("-")[0]]
    member = f'<gml:featureMember><f:field><f:outline>{text}</f:outline><f:n>1</f:n></f:field></gml:featureMember>'
    spaces = f'xmlns:gml="{gml}" xmlns:f="https://fields.example"'
    for name in (path, f"{path}.gml"):
        with open(name, "w") as target:
            target.write(f"<gml:FeatureCollection {spaces}>{member}</gml:FeatureCollection>")
    by_gdal[path] = geopandas.read_file(f"{path}.gml").geometry[0]
run = subprocess.run(["node", "by_ol.mjs", *texts], check=True, capture_output=True)
same = True
for path, found in json.loads(run.stdout).items():
    right = by_gdal[path]
    print(f"{path}: {json.dumps(found['coordinates'])} of {right.wkt}")
    if path == "GML2-separators":
        same &= [place[:2] for place in found["coordinates"]] == [[8, None], [50, 9], [51, None]]
        same &= list(shapely.force_2d(right).coords) == [(8, 50), (9, 51)]
        continue
    shape = shapely.geometry.shape(found)
    wrong = "-patches" in path
    same &= shapely.union_all(right).area == {"one patch": 100}.get(path.split("-")[1], 0 if "GML2" in path else 200)
    same &= (shape.area == 100 and shape.bounds == (10, 0, 20, 10)) if wrong else shape.equals(right)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python -W ignore look.py
