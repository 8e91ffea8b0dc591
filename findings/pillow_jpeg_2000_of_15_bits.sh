#!/usr/bin/env bash
# Pillow: a JPEG 2000 of 15 or 12 bits a sample in one band, as the bands of Sentinel-2 (15 bits) are stored.
#
# Versions: Pillow 13.0.0; rasterio 1.4.4 writes, and reads as a comparison, with imagecodecs 2026.3.6.
# Seen: Image.open() gives mode I;16, and each value moved to the upper end of 16 bits: of a file of 15 bits twice the
#   value, of 12 bits 16 times. A reflectance of 0.1344 (1344) is 0.2688 then. No error, no warning; the image does not
#   say how many bits the file has. 16 bits are right. rasterio and imagecodecs give the samples of the file.
# Expected: the samples that were coded (ISO/IEC 15444-1, Annex G: the decoder gives samples of the bit depth in the SIZ
#   marker), as Pillow itself gives them of a TIFF of 12 bits; or the number of bits beside them.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    pillow==13.0.0 rasterio==1.4.4 imagecodecs==2026.3.6 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import imagecodecs
import numpy
import PIL
import rasterio
from PIL import Image

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
SIDE = 64
layout = {"width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16"}
values = numpy.arange(SIDE * SIDE, dtype="uint16").reshape(SIDE, SIDE)
print("Pillow", PIL.__version__)
same = True
for bits, factor in ((12, 16), (15, 2), (16, 1)):
    name = f"{bits}.jp2"
    with rasterio.open(name, "w", driver="JP2OpenJPEG", NBITS=bits, QUALITY=100, REVERSIBLE="YES", **layout) as out:
        out.write(values[None])
    with rasterio.open(name) as file:
        by_gdal = file.read(1)
    with open(name, "rb") as file:
        by_codec = imagecodecs.jpeg2k_decode(file.read())
    with Image.open(name) as image:
        mode, by_pillow = image.mode, numpy.asarray(image)
    places = (21, 0)
    print(f"{bits} bits: stored {values[places]}, rasterio {by_gdal[places]}, imagecodecs {by_codec[places]},", end=" ")
    print(f"Pillow {by_pillow[places]} (mode {mode})")
    same &= numpy.array_equal(by_gdal, values) and numpy.array_equal(by_codec, values)
    same &= mode == "I;16" and numpy.array_equal(by_pillow.astype(int), values.astype(int) * factor)
with rasterio.open("12.tif", "w", driver="GTiff", NBITS=12, **layout) as out:
    out.write(values[None])
try:
    with Image.open("12.tif") as image:
        print("TIFF of 12 bits by Pillow:", image.mode, numpy.asarray(image)[21, 0])
        same &= numpy.array_equal(numpy.asarray(image), values)
except OSError as error:
    print("TIFF of 12 bits by Pillow:", error)
    same = False
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
