#!/usr/bin/env bash
# cfgrib: the index that it leaves beside a GRIB file, when that is replaced by a file with an earlier modification
# time, as `cp -p`, `rsync -t`, `rclone copy` and `unzip` leave it.
#
# Versions: cfgrib 0.9.15.1, eccodes 2.50.0 (its wheel brings the library), xarray 2026.9.0, numpy 2.4.6.
# Seen: open_dataset() of two fields of January 1 and 2 makes an index (`.idx`). The file is replaced by one of March 1
#   and 2, written yesterday. open_dataset() gives the values of March under the dates of January, without a word:
#   the index counts as current while it is newer than the file, and the dates are read from there.
# Expected: the dates of the file; its size, inode or first bytes in the index would tell. After `touch` all is right.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    cfgrib==0.9.15.1 eccodes==2.50.0 xarray==2026.9.0 numpy==2.4.6
cat > look.py <<'PY'
import os
import sys
import time

import eccodes
import numpy
import xarray


def write(path, dates, value):
    """Fields of one value each."""
    with open(path, "wb") as file:
        for number, date in enumerate(dates):
            message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
            eccodes.codes_set(message, "dataDate", date)
            eccodes.codes_set(message, "shortName", "2t")
            points = eccodes.codes_get(message, "numberOfValues")
            eccodes.codes_set_values(message, numpy.full(points, float(value + number)))
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)


def read():
    with xarray.open_dataset("fields.grib", engine="cfgrib") as found:
        dates = [str(one)[:10] for one in found.time.values]
        return dict(zip(dates, [float(one) for one in found.t2m.values.mean(axis=(1, 2))]))


write("fields.grib", (20240101, 20240102), 100)
before = read()
write("new.grib", (20240301, 20240302), 200)
yesterday = time.time() - 86400
os.utime("new.grib", (yesterday, yesterday))
os.replace("new.grib", "fields.grib")
after = read()
os.utime("fields.grib")
touched = read()
print("before:         ", before)
print("replaced:       ", after)
print("and touched:    ", touched)
same = (
    before == {"2024-01-01": 100, "2024-01-02": 101}
    and after == {"2024-01-01": 200, "2024-01-02": 201}
    and touched == {"2024-03-01": 200, "2024-03-02": 201}
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
