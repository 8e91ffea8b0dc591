#!/usr/bin/env bash
# geotiff.js: a GeoTIFF of several bands with 12 bits a sample (NBITS=12), as it is written for imagery of sensors with 12 bits,
# and one with classes in 1, 2 or 4 bits. The samples of a pixel lie together (PlanarConfiguration 1), as GDAL has it by itself.
#
# Versions: geotiff 3.0.5 (npm; Node.js 20); rasterio 1.4.4 writes, and reads as a comparison, with tifffile 2026.3.3 and
#   imagecodecs 2026.3.6.
# Seen: readRasters() gives the first band right, and other numbers for all bands after it: up to 65,535 for 12 bits. No error.
#   So with and without compression, in tiles and in strips. One band, bands apart (INTERLEAVE=BAND), and 16 bits are right.
# Expected: the samples of the file. BitsPerSample may be 12 (TIFF 6.0), and geotiff.js reads it for one band.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund geotiff@3.0.5 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    rasterio==1.4.4 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat > write.py <<'PY'
import json

import numpy
import rasterio
import tifffile

HIGH, WIDE = 48, 64
TILED = {"tiled": True, "blockxsize": 32, "blockysize": 32}
random = numpy.random.default_rng(1)
right = {}
for bits in (1, 2, 4, 12, 16):
    for bands, interleave, more in ((3, "pixel", TILED), (3, "pixel", {"compress": "deflate"}), (3, "band", TILED),
                                    (1, "pixel", TILED)):
        kind = "uint8" if bits < 8 else "uint16"
        pixels = random.integers(0, 2**bits, (bands, HIGH, WIDE)).astype(kind)
        name = f"{bits}bits-{bands}-{interleave}-{'tiles' if 'tiled' in more else 'strips'}.tif"
        options = {} if bits == 16 else {"nbits": bits}
        area = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5000000)}
        with rasterio.open(name, "w", driver="GTiff", width=WIDE, height=HIGH, count=bands, dtype=kind,
                           interleave=interleave, photometric="MINISBLACK", **area, **options, **more) as out:
            out.write(pixels)
        with rasterio.open(name) as file:
            assert numpy.array_equal(file.read(), pixels)
            assert file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", "16") == str(bits)
        if bits == 12 and interleave == "pixel":
            assert numpy.array_equal(tifffile.imread(name).reshape(HIGH, WIDE, bands), numpy.moveaxis(pixels, 0, -1))
        right[name] = pixels.reshape(bands, -1).tolist()
with open("right.json", "w") as target:
    json.dump(right, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { fromFile } from 'geotiff';

let same = true;
for (const [name, bands] of Object.entries(JSON.parse(readFileSync('right.json')))) {
  const found = await (await (await fromFile(name)).getImage()).readRasters();
  const wrong = bands.map((band, b) => band.filter((value, n) => found[b][n] !== value).length);
  const last = bands.length - 1;
  console.log(`${name}: wrong by band ${wrong} of ${bands[0].length}; last band ${found[last].slice(0, 4)}`,
    `of ${bands[last].slice(0, 4)}, up to ${found[last].reduce((a, b) => Math.max(a, b))}`);
  if (name.includes('3-pixel') && !name.startsWith('16')) same &&= wrong[0] === 0 && wrong.slice(1).every((n) => n > 1000);
  else same &&= wrong.every((n) => n === 0);
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
