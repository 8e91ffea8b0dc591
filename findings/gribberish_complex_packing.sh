#!/usr/bin/env bash
# gribberish: a field of a GRIB2 file with complex packing (template 5.2), in which points are packed in groups, each with its
# own reference.
#
# Versions: gribberish 0.30.3; eccodes 2.50.0 (its wheel brings the library) writes, and reads as a comparison, with
#   rasterio 1.4.4 (GDAL 3.10).
# Seen: parse_grib_array() gives wrong values, off by another amount in each group: of a field from -70 to 30 some are
#   76 too low and others 70 too high. No error, no warning. eccodes and rasterio give the field, and simple packing of
#   the same numbers is right.
# Expected: the field, as eccodes has it: the reference of the group counts (GRIB2, template 5.2 and note on 7.2), or an
#   error, as for packings that gribberish does not read.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    gribberish==0.30.3 eccodes==2.50.0 xarray==2026.9.0 fsspec==2026.9.0 rasterio==1.4.4 numpy==2.4.6
cat > look.py <<'PY'
import sys

import eccodes
import gribberish
import numpy
import rasterio

GRID = {
    **{"Ni": 30, "Nj": 20, "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1},
    **{"longitudeOfFirstGridPointInDegrees": 10, "longitudeOfLastGridPointInDegrees": 39},
    **{"latitudeOfFirstGridPointInDegrees": 50, "latitudeOfLastGridPointInDegrees": 31},
    "shortName": "10u",
}
values = numpy.sin(numpy.arange(600) / 9) * 50 - 20
same = True
for packing in ("grid_simple", "grid_complex"):
    message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    for key, value in GRID.items():
        eccodes.codes_set(message, key, value)
    eccodes.codes_set(message, "packingType", packing)
    eccodes.codes_set(message, "bitsPerValue", 16)
    eccodes.codes_set_values(message, values)
    with open(f"{packing}.grib2", "wb") as out:
        eccodes.codes_write(message, out)
    with open(f"{packing}.grib2", "rb") as file:
        data = file.read()
    message = eccodes.codes_new_from_message(data)
    by_eccodes = eccodes.codes_get_values(message)
    with rasterio.open(f"{packing}.grib2") as file:
        by_gdal = file.read(1).ravel()
    found = numpy.asarray(gribberish.parse_grib_array(data, 0)).ravel()
    away = by_eccodes - found
    print(f"template 5.{eccodes.codes_get(message, 'dataRepresentationTemplateNumber')}: eccodes {by_eccodes[:3].round(2)},")
    print(f"  rasterio {by_gdal[:3].round(2)}, gribberish {found[:3].round(2)}; off by {-away.max():.2f} to {-away.min():.2f}")
    same &= all(numpy.allclose(one, values, atol=0.01) for one in (by_eccodes, by_gdal))
    same &= (away.min() < -69 and away.max() > 75) if packing == "grid_complex" else numpy.abs(away).max() < 0.01
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
