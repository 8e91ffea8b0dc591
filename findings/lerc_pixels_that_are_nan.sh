#!/usr/bin/env bash
# GeoTIFFs of floats compressed with LERC, with pixels that are NaN: elevations, indices and backscatter with gaps. LERC has
# no NaN; GDAL stores such pixels as not valid, in the mask of the LERC blob, and makes them NaN again when it reads.
#
# Versions: tifffile 2026.3.3 with imagecodecs 2026.3.6, async-tiff 0.7.2, geotiff 3.0.5 (npm; Node.js 20); rasterio 1.4.4
#   writes, and reads as a comparison.
# Seen: all three readers leave the mask out of account and give 0 for each NaN, without an error or a warning, also
#   where the file says that nodata is NaN: the gaps are at sea level then, and in all sums and means.
#   GDAL has the bands of a pixel-interleaved file one after another in a blob where their masks differ. tifffile and
#   async-tiff take them for pixels: they give the first band as the left half of each row of both, and so on.
#   geotiff.js raises an error there. The same files with DEFLATE are right in all of them.
# Expected: NaN (or the mask), and each band by itself; or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund geotiff@3.0.5 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    async-tiff==0.7.2 rasterio==1.4.4 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat > by_geotiff.mjs <<'JS'
import { fromFile } from 'geotiff';

const found = {};
for (const name of process.argv.slice(2)) {
  try {
    const bands = await (await (await fromFile(name)).getImage()).readRasters();
    found[name] = bands.map((band) => Array.from(band, (one) => (Number.isNaN(one) ? 'NaN' : one)));
  } catch (error) {
    found[name] = String(error);
  }
}
console.log(JSON.stringify(found));
JS
cat > look.py <<'PY'
import asyncio
import json
import os
import subprocess
import sys
import warnings

import numpy
import rasterio
import tifffile
from async_tiff import TIFF
from async_tiff.store import LocalStore

warnings.simplefilter("ignore")  # no geotransform: it does not matter here
SIDE = 16
nan = float("nan")
first = numpy.arange(1, SIDE * SIDE + 1, dtype="float32").reshape(SIDE, SIDE)
gaps = numpy.stack([first, first + 1000])
gaps[:, 0, 1:3] = nan
apart = gaps.copy()
apart[1, 0, 2] = 1003
FILES = {
    "one.tif": ("LERC", "band", gaps[:1]),
    "bands.tif": ("LERC_ZSTD", "band", gaps),
    "pixels.tif": ("LERC", "pixel", gaps),
    "differ.tif": ("LERC", "pixel", apart),
    "deflate.tif": ("DEFLATE", "pixel", apart),
}
for name, (compress, interleave, values) in FILES.items():
    shape = {"width": SIDE, "height": SIDE, "count": len(values), "dtype": "float32", "nodata": nan}
    layout = {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE, "interleave": interleave}
    with rasterio.open(name, "w", driver="GTiff", compress=compress, **shape, **layout) as out:
        out.write(values)


def by_band(values, bands):
    values = numpy.atleast_3d(values) if bands == 1 else numpy.asarray(values)
    return values if values.shape[0] == bands else numpy.moveaxis(values, -1, 0)


async def by_async_tiff(name, bands):
    ifd = (await TIFF.open(name, store=LocalStore(os.getcwd()))).ifds[0]
    return by_band(await (await ifd.fetch_tile(0, 0)).decode(), bands)


by_js = json.loads(subprocess.run(["node", "by_geotiff.mjs", *FILES], check=True, capture_output=True).stdout)
same = True
for name, (compress, interleave, values) in FILES.items():
    bands = len(values)
    found = {
        "rasterio": rasterio.open(name).read(),
        "tifffile": by_band(tifffile.imread(name), bands),
        "async-tiff": asyncio.run(by_async_tiff(name, bands)),
        "geotiff.js": by_js[name],
    }
    if not isinstance(found["geotiff.js"], str):
        found["geotiff.js"] = numpy.array(found["geotiff.js"], "float32").reshape(values.shape)
    zeros = numpy.nan_to_num(values, nan=0)
    mixed = numpy.moveaxis(zeros.reshape(SIDE, SIDE, bands), -1, 0)
    for reader, read in found.items():
        print(name, reader, read if isinstance(read, str) else read[:, 0, :4].tolist())
        if reader == "rasterio" or compress == "DEFLATE":
            same &= numpy.array_equal(read, values, equal_nan=True)
        elif name != "differ.tif":
            same &= numpy.array_equal(read, zeros)
        elif reader == "geotiff.js":
            same &= isinstance(read, str)
        else:
            same &= numpy.array_equal(read, mixed)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
