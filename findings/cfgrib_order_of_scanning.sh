#!/usr/bin/env bash
# cfgrib: fields on a regular grid whose points do not go from west to east in each row, one row after the other: from east to
# west, rows in alternating directions (as the National Digital Forecast Database has them), or column by column. Three
# bits of the scanning mode say so.
#
# Versions: cfgrib 0.9.15.1 with eccodes 2.50.0 (its wheel brings the library), xarray 2026.9.0; gribberish 0.30.3 as a
#   comparison, and the places of the points as eccodes itself gives them.
# Seen: open_dataset() lays the numbers out in the order of the message, whatever the bits say, and with longitudes that
#   ascend: 16 of 20 points have the value of another place where rows go from east to west, 8 where they alternate, and
#   18 where they are columns. No error, no warning. South to north, the fourth bit, is right.
#   gribberish is right for the first two, and has the same 18 where they are columns.
# Expected: each value at its place (GRIB2, flag table 3.4), or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    cfgrib==0.9.15.1 eccodes==2.50.0 gribberish==0.30.3 fsspec==2026.9.0 xarray==2026.9.0 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import eccodes
import numpy
import xarray

warnings.simplefilter("ignore", FutureWarning)
GRID = {
    **{"Ni": 5, "Nj": 4, "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1},
    **{"longitudeOfFirstGridPointInDegrees": 10, "longitudeOfLastGridPointInDegrees": 14},
    **{"latitudeOfFirstGridPointInDegrees": 50, "latitudeOfLastGridPointInDegrees": 47},
    "shortName": "2t",
}
FILES = {
    "west to east": {},
    "south to north": {
        "jScansPositively": 1,
        **{"latitudeOfFirstGridPointInDegrees": 47, "latitudeOfLastGridPointInDegrees": 50},
    },
    "east to west": {
        "iScansNegatively": 1,
        **{"longitudeOfFirstGridPointInDegrees": 14, "longitudeOfLastGridPointInDegrees": 10},
    },
    "alternating": {"alternativeRowScanning": 1},
    "columns": {"jPointsAreConsecutive": 1},
}


def write(name, keys):
    """Writes a message, and gives latitude, longitude and value of each point as eccodes has them."""
    message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    for key, value in (GRID | keys).items():
        eccodes.codes_set(message, key, value)
    eccodes.codes_set(message, "bitsPerValue", 16)
    eccodes.codes_set_values(message, numpy.arange(270.0, 290.0))
    with open(name, "wb") as out:
        eccodes.codes_write(message, out)
    return [(point["lat"], point["lon"], point["value"]) for point in eccodes.codes_grib_get_data(message)]


def wrong(name, points, engine, **options):
    with xarray.open_dataset(name, engine=engine, **options) as cube:
        (field,) = [one.squeeze(drop=True).load() for one in cube.data_vars.values()]
    return sum(float(field.sel(latitude=lat, longitude=lon)) != value for lat, lon, value in points)


seen = {}
for number, (name, keys) in enumerate(FILES.items()):
    path = f"{number}.grib2"
    points = write(path, keys)
    seen[name] = (
        wrong(path, points, "cfgrib", backend_kwargs={"indexpath": ""}),
        wrong(path, points, "gribberish"),
    )
    print(f"{name}: wrong are {seen[name][0]} of {len(points)} points by cfgrib, {seen[name][1]} by gribberish")
same = seen == {
    **{"west to east": (0, 0), "south to north": (0, 0)},
    **{"east to west": (16, 0), "alternating": (8, 0), "columns": (18, 18)},
}
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
