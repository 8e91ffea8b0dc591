#!/usr/bin/env bash
# libvips, and with it pyvips: a TIFF in strips whose bands lie apart (INTERLEAVE=BAND, PlanarConfiguration 2), as GDAL writes it for
# stacks of bands. GDAL puts as many rows in a strip as fit in 8 KB: chips of 256 pixels have 16 or 32 rows in each.
#
# Versions: pyvips 3.2.0 with libvips 8.18.7 (its wheel pyvips-binary brings it); rasterio 1.4.4 writes, and reads as a
#   comparison, with tifffile 2026.3.3.
# Seen: of each strip the first row is right. Each row after it begins where a row would if its bytes were shared by all
#   bands: of three bands a row begins a third of a row after the one before it, and holds pixels of other places of the same
#   band: 16 or 32 rows of other pixels after one another. Of a strip that is the whole image 255 of 256 rows are wrong. No error, no warning, also with fail_on="warning"; with all
#   data types, with and without compression. Strips of one row, and bands that lie together, are right; for tiles
#   it raises an error.
# Expected: the numbers: in PlanarConfiguration 2 a row of a strip has the samples of one band only (TIFF 6.0, section 8,
#   PlanarConfiguration and StripOffsets); or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    pyvips==3.2.0 pyvips-binary==8.18.7 rasterio==1.4.4 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat > look.py <<'PY'
import sys

import numpy
import pyvips
import rasterio
import tifffile

HIGH, WIDE = 256, 240
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5000000)}
random = numpy.random.default_rng(1)


def wrong_rows(kind, bands, interleave, compress, rows):
    """The rows that differ, and whether they are the pixels that lie a part of a row after the row before them."""
    name = f"{kind}-{bands}-{interleave}-{compress}-{rows}.tif"
    pixels = random.integers(1, 250, (bands, HIGH, WIDE)).astype(kind)
    options = {"compress": compress, "interleave": interleave, "photometric": "MINISBLACK"} | ({"blockysize": rows} if rows else {})
    with rasterio.open(name, "w", driver="GTiff", width=WIDE, height=HIGH, count=bands, dtype=kind, **PLACE, **options) as out:
        out.write(pixels)
    with rasterio.open(name) as file:
        in_strip = file.block_shapes[0][0]
        assert numpy.array_equal(file.read(), pixels)
    by_tifffile = tifffile.imread(name)
    assert numpy.array_equal(by_tifffile if interleave == "band" else numpy.moveaxis(by_tifffile, -1, 0), pixels)
    read = numpy.moveaxis(pyvips.Image.new_from_file(name, fail_on="warning").numpy(), -1, 0)
    assert (read.dtype, read.shape) == (pixels.dtype, pixels.shape)
    differ = (read != pixels).any(axis=(0, 2))
    step = WIDE * pixels.itemsize // bands
    shifted = 0
    for row in numpy.flatnonzero(differ):
        first = row - row % in_strip
        strip = pixels[:, first:first + in_strip].reshape(bands, -1).view("uint8")
        begin = (row - first) * step
        expected = strip[:, begin:begin + WIDE * pixels.itemsize]
        shifted += numpy.array_equal(numpy.ascontiguousarray(read[:, row]).view("uint8"), expected)
    return in_strip, int(differ.sum()), shifted


same = True
for case in (
    *(("uint8", 3, "band", compress, None) for compress in ("none", "deflate", "lzw")),
    ("uint16", 4, "band", "deflate", None), ("int16", 6, "band", "deflate", None), ("float32", 2, "band", "none", None),
    ("uint16", 3, "band", "deflate", HIGH), ("uint16", 4, "band", "deflate", 1), ("uint16", 4, "pixel", "deflate", None),
):
    in_strip, differ, shifted = wrong_rows(*case)
    print(f"{case[0]}, {case[1]} bands by {case[2]}, {case[3]}, {in_strip} rows a strip: {differ} of {HIGH} rows wrong,",
          f"{shifted} of them a part of a row after the one before")
    strips = -(-HIGH // in_strip)
    same &= differ == (0 if case[2] == "pixel" else HIGH - strips)
    same &= shifted == differ
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
