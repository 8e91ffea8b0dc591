#!/usr/bin/env bash
# loaders.gl: a shapefile with a row without a geometry, such as a label whose outline was not drawn yet. The shape of such a
# row is a null shape (type 0), which any shapefile may have.
#
# Versions: @loaders.gl/shapefile 4.5.2 with @loaders.gl/core 4.5.4 (npm; Node.js 20); pyogrio 0.13.0 with geopandas 1.2.0
#   writes, and shapefile 0.6.6 (npm) reads as a comparison.
# Seen: SHPLoader and ShapefileLoader end at the null shape: of four rows of which the second has none they give one, with no
#   error. DBFLoader gives the attributes of all four. shapefile and GDAL give four rows, one without a geometry.
# Expected: four rows, null for the geometry of one (ESRI Shapefile Technical Description, 1998: a null shape has no
#   geometric data, and shapes and null shapes may be mixed), or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @loaders.gl/core@4.5.4 @loaders.gl/shapefile@4.5.2 shapefile@0.6.6 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 pandas==2.3.3 numpy==2.4.6
cat > write.py <<'PY'
import geopandas
import shapely

fields = [shapely.box(36, 0, 37, 1), None, shapely.box(38, 0, 39, 1), shapely.box(40, 0, 41, 1)]
table = geopandas.GeoDataFrame({"n": [1, 2, 3, 4]}, geometry=fields, crs=4326)
for name, rows in {"gap": table, "full": table.dropna(subset="geometry")}.items():
    rows.to_file(f"{name}.shp", engine="pyogrio")
    read = geopandas.read_file(f"{name}.shp", engine="pyogrio")
    print(f"GDAL, {name}: n={read.n.tolist()}, {int(read.geometry.notna().sum())} geometries")
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { load, parse } from '@loaders.gl/core';
import { DBFLoader, SHPLoader, ShapefileLoader } from '@loaders.gl/shapefile';
import * as shapefile from 'shapefile';

const options = { worker: false, core: { worker: false } };
const bytes = (path) => Uint8Array.from(readFileSync(path)).buffer;
const server = createServer((request, response) => {
  const path = request.url.slice(1);
  if (!/^\w+\.\w+$/.test(path) || !existsSync(path)) response.writeHead(404).end();
  else response.end(readFileSync(path));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const root = `http://127.0.0.1:${server.address().port}`;
let same = true;
for (const [name, rows, seen] of [['gap', 4, 1], ['full', 3, 3]]) {
  const shapes = (await parse(bytes(`${name}.shp`), SHPLoader, options)).geometries;
  const attributes = await parse(bytes(`${name}.dbf`), DBFLoader, options);
  const loaded = await load(`${root}/${name}.shp`, ShapefileLoader, options);
  const features = loaded.features ?? loaded.data;
  const other = (await shapefile.read(`${name}.shp`, `${name}.dbf`)).features;
  const found = [shapes.length, features.length, (attributes.data ?? attributes).length, other.length];
  console.log(`${name}: SHPLoader ${found[0]}, ShapefileLoader ${found[1]}, DBFLoader ${found[2]}, shapefile ${found[3]}`);
  same &&= JSON.stringify(found) === JSON.stringify([seen, seen, rows, rows]);
}
server.close();
server.closeAllConnections();
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
