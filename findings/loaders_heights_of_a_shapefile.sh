#!/usr/bin/env bash
# loaders.gl: a shapefile of lines or outlines with heights (PolyLineZ, PolygonZ) and without measures, as GDAL writes it, and
# others that keep the optional part out.
#
# Versions: @loaders.gl/shapefile 4.5.2 with @loaders.gl/core 4.5.4 (npm; Node.js 20); pyogrio 0.13.0 with geopandas 1.2.0
#   writes, and shpjs 6.2.0 (npm) reads as a comparison.
# Seen: SHPLoader and ShapefileLoader read a measure for each point where there is none: they take the next record for
#   measures, and at the end of the file positions run out. Two lines (0 0 5, 1 1 6) and (0 0 5, 1 1 7) have the second
#   one as (0 0 5 1, 1 7): the latitude of its second point is the height. No error. Without heights both are right.
# Expected: two points with heights each: the measures of the Z types are optional, and the length in the record header tells
#   (ESRI Shapefile Technical Description, 1998, "Shape Types in XYZ Space"); or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @loaders.gl/core@4.5.4 @loaders.gl/shapefile@4.5.2 shpjs@6.2.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 pandas==2.3.3 numpy==2.4.6
cat > write.py <<'PY'
import geopandas
import shapely

heights = [shapely.LineString([(0, 0, 5), (1, 1, 6)]), shapely.LineString([(0, 0, 5), (1, 1, 7)])]
for name, lines in {"heights": heights, "flat": shapely.force_2d(heights)}.items():
    table = geopandas.GeoDataFrame({"n": [1, 2]}, geometry=lines, crs=4326)
    table.to_file(f"{name}.shp", engine="pyogrio")
    print(f"GDAL, {name}:", [shapely.to_wkt(one, trim=True) for one in geopandas.read_file(f"{name}.shp").geometry])
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { load, parse } from '@loaders.gl/core';
import { SHPLoader, ShapefileLoader } from '@loaders.gl/shapefile';
import shp from 'shpjs';

const options = { worker: false, core: { worker: false } };
const bytes = (path) => Uint8Array.from(readFileSync(path)).buffer;
const server = createServer((request, response) => {
  const path = request.url.slice(1);
  if (!/^\w+\.\w+$/.test(path) || !existsSync(path)) response.writeHead(404).end();
  else response.end(readFileSync(path));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const root = `http://127.0.0.1:${server.address().port}`;
const text = (value) => JSON.stringify(value);
const lines = (features) => text(features.map((one) => one.geometry.coordinates));
let same = true;
for (const [name, right, seen] of [
  [
    'heights',
    [[[0, 0, 5], [1, 1, 6]], [[0, 0, 5], [1, 1, 7]]],
    [[[0, 0, 5, 0], [1, 1, 6, 0]], [[0, 0, 5, 1], [1, 7, null, null]]],
  ],
  ['flat', [[[0, 0], [1, 1]], [[0, 0], [1, 1]]], [[[0, 0], [1, 1]], [[0, 0], [1, 1]]]],
]) {
  const shapes = (await parse(bytes(`${name}.shp`), SHPLoader, options)).geometries;
  const loaded = await load(`${root}/${name}.shp`, ShapefileLoader, options);
  const features = lines(loaded.features ?? loaded.data);
  const other = lines((await shp({ shp: readFileSync(`${name}.shp`), dbf: readFileSync(`${name}.dbf`) })).features);
  console.log(`${name}: shpjs ${other}, ShapefileLoader ${features}, SHPLoader of the second line`,
    `${shapes[1].positions.value} in steps of ${shapes[1].positions.size}`);
  same &&= other === text(right) && features === text(seen);
}
server.close();
server.closeAllConnections();
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
