#!/usr/bin/env bash
# kerchunk: references to a GRIB file with a field that is small enough to be inlined, such as the 9 x 9 points of the
# weather that comes with a scene of Sentinel-2 (AUX_ECMWFT, 648 bytes).
#
# Versions: kerchunk 0.2.10, cfgrib 0.9.15.1, eccodes 2.50.0, zarr 3.1.6, xarray 2026.9.0, fsspec 2026.9.0.
# Seen: scan_grib(inline_threshold=1000) stores the field under the key `t2m/0`, which is the one of an array with one
#   dimension. Zarr looks for `t2m/0.0`, finds no chunk, and gives zeros: xarray.open_dataset() has 0 at all points, no
#   error. With inline_threshold=0 all values are right. So of any array with two dimensions that is smaller than the
#   threshold (100 bytes where none is given), also latitudes and longitudes of projected grids.
# Expected: the values of the field: `t2m/0.0` in the references, as when it is not inlined.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check kerchunk==0.2.10 cfgrib==0.9.15.1 eccodes==2.50.0 \
    zarr==3.1.6 xarray==2026.9.0 fsspec==2026.9.0 numpy==2.4.6
cat > look.py <<'PY'
import logging
import os
import sys

import eccodes
import kerchunk.grib2
import numpy
import xarray

logging.disable(logging.CRITICAL)
POINTS = 9
message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
grid = {"Ni": POINTS, "Nj": POINTS, "latitudeOfFirstGridPointInDegrees": 1, "latitudeOfLastGridPointInDegrees": 0}
grid |= {"longitudeOfFirstGridPointInDegrees": 36, "longitudeOfLastGridPointInDegrees": 37, "shortName": "2t"}
for key, value in (grid | {"iDirectionIncrementInDegrees": 0.125, "jDirectionIncrementInDegrees": 0.125}).items():
    eccodes.codes_set(message, key, value)
values = 280 + numpy.arange(POINTS * POINTS).reshape(POINTS, POINTS) / 4
eccodes.codes_set_values(message, values.ravel())
with open("weather.grib", "wb") as file:
    eccodes.codes_write(message, file)
eccodes.codes_release(message)
found, keys = {}, {}
for threshold in (0, 1000):
    (references,) = kerchunk.grib2.scan_grib(os.path.abspath("weather.grib"), inline_threshold=threshold)
    keys[threshold] = [one for one in references["refs"] if one.startswith("t2m/") and "/." not in one]
    with xarray.open_dataset(references, engine="kerchunk") as opened:
        found[threshold] = opened.t2m.values.squeeze()
    print(f"inline_threshold={threshold}: {keys[threshold]}, {found[threshold].min()} to {found[threshold].max()}")
same = (
    keys == {0: ["t2m/0.0"], 1000: ["t2m/0"]}
    and numpy.allclose(found[0], values, atol=0.01)
    and not numpy.nan_to_num(found[1000]).any()
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)  # threads of fsspec may outlive the interpreter
PY
env/bin/python look.py
