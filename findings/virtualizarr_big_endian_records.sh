#!/usr/bin/env bash
# virtualizarr: a table of an HDF5 file (compound type) with a member in big-endian byte order, such as a column of points or of
# orbit data that was written on another machine.
#
# Versions: virtualizarr 2.5.1, zarr 3.1.6, obstore 0.12.1; h5py 3.16.0 writes, and reads as a comparison.
# Seen: the array of HDFParser has the member in little-endian: 2.5 is 5.375e-321, and 837 of an integer of 16 bits is 17667. No
#   error, no warning. Members in little-endian are right, and so are big-endian numbers that are no member of a record.
# Expected: 2.5 and 837: the byte order is in the file, for each member (HDF5 file format, class bit field of the datatype
#   message); or an error, as for member types that it does not read.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    virtualizarr==2.5.1 zarr==3.1.6 obstore==0.12.1 h5py==3.16.0 numpy==2.4.6 xarray==2026.9.0
cat > look.py <<'PY'
import os
import sys
import warnings

import h5py
import numpy
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser

warnings.simplefilter("ignore")  # zarr says that records have no specification yet
members = {"big": ">", "little": "<"}
with h5py.File("file.h5", "w") as file:
    for name, order in members.items():
        kind = [("id", "<i4"), ("angle", f"{order}f8"), ("count", f"{order}i2")]
        file[f"{name}_records"] = numpy.array([(1, 2.5, 837), (2, -0.5, 4)], dtype=kind)
        file[f"{name}_counts"] = numpy.array([837, 4], dtype=f"{order}i2")
registry = ObjectStoreRegistry({"file://": LocalStore()})
group = zarr.open_group(HDFParser()(f"file://{os.path.abspath('file.h5')}", registry=registry), mode="r")
seen = {}
with h5py.File("file.h5") as file:
    for name in file:
        right, seen[name] = file[name][()].tolist(), group[name][...].tolist()
        print(f"{name}: h5py {right}, virtualizarr {seen[name]}")
        if name != "big_records":
            assert seen[name] == right, name
turned = numpy.array([2.5, -0.5], ">f8").view("<f8").tolist()
same = seen["big_records"] == [(1, turned[0], 17667), (2, turned[1], 1024)]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
