#!/usr/bin/env bash
# pmtiles-convert (Python): an MBTiles file of JPEG tiles, as GDAL writes it of imagery, becomes a PMTiles archive.
#
# Versions: pmtiles 3.8.1 (PyPI); rasterio 1.4.4 writes the MBTiles; pmtiles 4.5.0 (npm; Node.js 20) reads the archive.
# Seen: the tile type of the archive is "unknown" (0). MBTiles 1.3 calls the format `jpg`, and so does GDAL; the
#   converter looks for `jpeg`. Exit code 0, no warning. PNG and WebP have their types. Readers know of the tiles by that
#   type alone: the TileJSON of the npm package has ".png" for PNG, and no extension for JPEG.
# Expected: tile type 3 (JPEG).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund pmtiles@4.5.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pmtiles==3.8.1 rasterio==1.4.4 numpy==2.4.6
cat > write.py <<'PY'
import sqlite3

import numpy
import rasterio
from rasterio.transform import from_bounds

WORLD = 20037508.342789244
area = {"crs": "EPSG:3857", "transform": from_bounds(0, 0, WORLD / 16, WORLD / 16, 256, 256)}
for kind in ("JPEG", "PNG", "WEBP"):
    options = {"driver": "MBTiles", "width": 256, "height": 256, "count": 3, "dtype": "uint8", "TILE_FORMAT": kind}
    with rasterio.open(f"{kind}.mbtiles", "w", **area, **options) as out:
        out.write(numpy.full((3, 256, 256), 120, "uint8"))
    connection = sqlite3.connect(f"{kind}.mbtiles")
    print(f"{kind}.mbtiles: format", *connection.execute("SELECT value FROM metadata WHERE name = 'format'").fetchone())
    connection.close()
PY
env/bin/python write.py
for kind in JPEG PNG WEBP; do env/bin/pmtiles-convert $kind.mbtiles $kind.pmtiles >/dev/null; done
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { PMTiles } from 'pmtiles';

class Source {
  constructor(name) { this.name = name; this.bytes = readFileSync(name); }
  getKey() { return this.name; }
  async getBytes(offset, length) { return { data: new Uint8Array(this.bytes.subarray(offset, offset + length)).buffer }; }
}
const found = {};
for (const kind of ['JPEG', 'PNG', 'WEBP']) {
  const archive = new PMTiles(new Source(`${kind}.pmtiles`));
  const { tileType } = await archive.getHeader();
  const { tiles } = await archive.getTileJson('https://example.org/tiles');
  const first = Buffer.from((await archive.getZxy(5, 16, 15)).data).subarray(0, 4).toString('latin1');
  console.log(`${kind}.pmtiles: tile type ${tileType}, ${tiles[0]}, a tile begins with ${JSON.stringify(first)}`);
  found[kind] = [tileType, tiles[0].split('{y}')[1]];
}
const same = JSON.stringify(found) === JSON.stringify({ JPEG: [0, ''], PNG: [2, '.png'], WEBP: [4, '.webp'] });
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
