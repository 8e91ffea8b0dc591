#!/usr/bin/env bash
# geotiff.js: a GeoTIFF of bytes (uint8) with LERC compression, with a tile that LERC could not make smaller: noise,
# such as speckle or dense texture. LERC stores the bytes of such a tile as they are, after its header.
#
# Versions: geotiff 3.0.5 (npm; Node.js 20) with the lerc that it brings; rasterio 1.4.4 writes, and reads as a comparison.
# Seen: readRasters() gives the compressed tile as pixels: its first values are 76, 101, 114, 99, 50, 32, the letters of
#   "Lerc2 ", and all pixels after the header are shifted by its length; with LERC_DEFLATE and LERC_ZSTD too. No error.
#   The decoder gives a view of its input there, and geotiff.js takes the whole buffer behind it.
#   Tiles of the same file that LERC made smaller are right, as are uint16 and other types.
# Expected: the pixels.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund geotiff@3.0.5 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cat > write.py <<'PY'
import json
import warnings

import numpy
import rasterio

warnings.simplefilter("ignore")  # no geotransform: it does not matter here
SIDE = 64
random = numpy.random.default_rng(1)
layout = {"width": 2 * SIDE, "height": SIDE, "count": 1, "tiled": True, "blockxsize": SIDE, "blockysize": SIDE}
right = {}
for compress in ("LERC", "LERC_DEFLATE", "LERC_ZSTD", "DEFLATE"):
    for kind in ("uint8", "uint16"):
        noise = random.integers(0, numpy.iinfo(kind).max, (SIDE, SIDE), endpoint=True)
        smooth = numpy.broadcast_to(numpy.arange(SIDE), (SIDE, SIDE))
        name = f"{compress}-{kind}.tif"
        with rasterio.open(name, "w", driver="GTiff", dtype=kind, compress=compress, **layout) as out:
            out.write(numpy.hstack([noise, smooth]).astype(kind)[None])
        with rasterio.open(name) as file:
            right[name] = file.read(1).tolist()
        assert right[name] == numpy.hstack([noise, smooth]).tolist()
with open("right.json", "w") as target:
    json.dump(right, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { fromFile } from 'geotiff';

const SIDE = 64;
const right = JSON.parse(readFileSync('right.json'));
let same = true;
for (const [name, rows] of Object.entries(right)) {
  const [band] = await (await (await fromFile(name)).getImage()).readRasters();
  const wrong = [0, 0]; // pixels of the tile of noise, and of the smooth one
  rows.forEach((row, y) => row.forEach((value, x) => {
    if (band[y * 2 * SIDE + x] !== value) wrong[x < SIDE ? 0 : 1] += 1;
  }));
  const first = Array.from(band.slice(0, 6));
  console.log(`${name}: ${first} of ${rows[0].slice(0, 6)}; wrong are ${wrong} of ${SIDE * SIDE} pixels of each tile`);
  if (name.startsWith('LERC') && name.endsWith('uint8.tif')) {
    same &&= String.fromCharCode(...first) === 'Lerc2 ' && wrong[0] > 0.9 * SIDE * SIDE && wrong[1] === 0;
  } else {
    same &&= wrong[0] === 0 && wrong[1] === 0;
  }
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
