#!/usr/bin/env bash
# xarray-spatial: GeoTIFFs of floats with more than one band and the floating-point predictor (3), as stacks of reflectances,
# indices or embeddings are stored, read and written by xrspatial.geotiff.
#
# Versions: xarray-spatial 0.10.20 (Python 3.12 or later); rasterio 1.4.4 writes and reads as a comparison, with tifffile
#   2026.11.8 and imagecodecs 2026.10.10.
# Seen: open_geotiff() gives wrong numbers for all bands of such a file, without an error, and to_geotiff(predictor=3) writes a
#   file of which rasterio and tifffile read wrong numbers; it reads its own files right. With DEFLATE, LZW and ZSTD, in strips
#   and tiles, float32 and float64. One band, bands that lie apart, and predictor 2 are right.
# Expected: the numbers: the difference is to the byte as many places before as a pixel has samples (Adobe Photoshop TIFF
#   Technical Note 3, on the floating-point predictor: the offset of the differences is the number of samples).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
for python in python3 python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then break; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" -m venv env
env/bin/pip install --quiet --disable-pip-version-check xarray-spatial==0.10.20 rasterio==1.4.4 \
    tifffile==2026.11.8 imagecodecs==2026.10.10 numpy==2.5.5 xarray==2026.9.0 zstandard==0.25.0 pyproj==3.7.2
cat > look.py <<'PY'
import sys
import warnings

import numpy
import rasterio
import tifffile
import xarray
from xrspatial.geotiff import open_geotiff, to_geotiff

warnings.simplefilter("ignore")
HIGH, WIDE = 64, 96
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5000000)}
random = numpy.random.default_rng(1)


def bands_last(pixels):
    pixels = numpy.asarray(pixels)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def by_rasterio(path):
    with rasterio.open(path) as file:
        return numpy.moveaxis(file.read(), 0, -1)


same = True
for kind, bands, interleave, predictor in (("float32", 3, "pixel", 3), ("float64", 3, "pixel", 3), ("float32", 1, "pixel", 3),
                                           ("float32", 3, "band", 3), ("float32", 3, "pixel", 2)):
    pixels = random.normal(0.3, 0.1, (HIGH, WIDE, bands)).astype(kind)
    for compress in ("deflate", "lzw", "zstd"):
        for tiled in (False, True):
            options = {"compress": compress, "predictor": predictor, "interleave": interleave, "tiled": tiled}
            options |= {"blockxsize": 32, "blockysize": 32} if tiled else {}
            with rasterio.open("theirs.tif", "w", driver="GTiff", width=WIDE, height=HIGH, count=bands, dtype=kind, **PLACE,
                               **options) as out:
                out.write(numpy.moveaxis(pixels, -1, 0))
            theirs = tifffile.imread("theirs.tif")
            theirs = numpy.moveaxis(theirs, 0, -1) if interleave == "band" else bands_last(theirs)
            assert numpy.array_equal(by_rasterio("theirs.tif"), pixels) and numpy.array_equal(theirs, pixels)
            read = (bands_last(open_geotiff("theirs.tif").values) != pixels).mean()
            written = {}
            if interleave == "pixel":
                places = {"y": 4999995 - 10.0 * numpy.arange(HIGH), "x": 500005 + 10.0 * numpy.arange(WIDE)}
                cube = xarray.DataArray(pixels, dims=("y", "x", "band"), coords=places)
                to_geotiff(cube if bands > 1 else cube[..., 0], "ours.tif", crs=32633, compression=compress, tiled=tiled,
                           tile_size=32, predictor=predictor)
                readers = {"rasterio": by_rasterio, "tifffile": tifffile.imread, "itself": open_geotiff}
                written = {name: (bands_last(reader("ours.tif")) != pixels).mean() for name, reader in readers.items()}
            print(f"{kind}, {bands} bands by {interleave}, predictor {predictor}, {compress}, {'tiles' if tiled else 'strips'}:",
                  f"{read:.0%} wrong when read; of what it writes", {name: f"{share:.0%}" for name, share in written.items()})
            if bands > 1 and interleave == "pixel" and predictor == 3:
                same &= read > 0.9 and written["rasterio"] > 0.9 and written["tifffile"] > 0.9 and written["itself"] == 0
            else:
                same &= read == 0 and not any(written.values())
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
