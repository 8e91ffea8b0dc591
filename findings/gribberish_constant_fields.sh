#!/usr/bin/env bash
# gribberish: a field of a GRIB2 file that has one value at all points, such as no rain at 0.0, an emissivity, or the mask of a
# tile that is all land, and one that has it at some points and none at the others. Their values are not stored: the
# number of bits a value is 0, and the value is in the reference.
#
# Versions: gribberish 0.30.3, xarray 2026.9.0; eccodes 2.50.0 (its wheel brings the library) writes, and reads as a comparison.
# Seen: parse_grib_array() and open_dataset(engine="gribberish") give 0 for each point of a field of 273.0, with simple,
#   JPEG 2000 and CCSDS packing. No error, no warning. The bitmap of a constant field is left out too: points without a
#   value are 0, as the others. Fields that vary are right, with a bitmap and without.
# Expected: 273.0, and NaN where the bitmap has no point (GRIB2, data representation section: where the number of bits is 0,
#   the reference value is that of all points).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    gribberish==0.30.3 eccodes==2.50.0 xarray==2026.9.0 fsspec==2026.9.0 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import eccodes
import gribberish
import numpy
import xarray

warnings.simplefilter("ignore", FutureWarning)
MISSING = 9999.0
GRID = {
    **{"Ni": 5, "Nj": 4, "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1},
    **{"longitudeOfFirstGridPointInDegrees": 10, "longitudeOfLastGridPointInDegrees": 14},
    **{"latitudeOfFirstGridPointInDegrees": 50, "latitudeOfLastGridPointInDegrees": 47},
    **{"shortName": "2t", "missingValue": MISSING},
}
constant = numpy.full(20, 273.0)
gaps = numpy.where(numpy.arange(20) % 3 == 0, MISSING, 273.0)
varying = numpy.where(numpy.arange(20) % 3 == 0, MISSING, numpy.arange(20.0) + 273)
FILES = {
    "constant": (constant, "grid_simple"),
    "constant, JPEG 2000": (constant, "grid_jpeg"),
    "constant, CCSDS": (constant, "grid_ccsds"),
    "constant with gaps": (gaps, "grid_simple"),
    "varying with gaps": (varying, "grid_simple"),
}
same = True
for number, (name, (values, packing)) in enumerate(FILES.items()):
    message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    for key, value in GRID.items():
        eccodes.codes_set(message, key, value)
    if name.endswith("gaps"):
        eccodes.codes_set(message, "bitmapPresent", 1)
    eccodes.codes_set(message, "packingType", packing)
    eccodes.codes_set(message, "bitsPerValue", 16)
    eccodes.codes_set_values(message, values)
    path = f"{number}.grib2"
    with open(path, "wb") as out:
        eccodes.codes_write(message, out)
    with open(path, "rb") as file:
        data = file.read()
    right = numpy.where(values == MISSING, numpy.nan, values)
    by_eccodes = eccodes.codes_get_values(eccodes.codes_new_from_message(data))
    by_eccodes = numpy.where(by_eccodes == MISSING, numpy.nan, by_eccodes)
    found = numpy.asarray(gribberish.parse_grib_array(data, 0)).ravel()
    with xarray.open_dataset(path, engine="gribberish") as cube:
        (field,) = cube.data_vars.values()
        by_xarray = field.values.ravel()
    print(f"{name}: eccodes {by_eccodes[:4]}, gribberish {found[:4]}, by xarray {by_xarray[:4]}")
    expected = right if name.startswith("varying") else numpy.zeros(20)
    same &= numpy.allclose(by_eccodes, right, atol=0.01, equal_nan=True)
    same &= all(numpy.allclose(one, expected, atol=0.01, equal_nan=True) for one in (found, by_xarray))
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
