#!/usr/bin/env bash
# h5coro: a data set of an HDF5 file whose numbers are big-endian, as HDF-EOS5 products made on other machines have them and
# netCDF-4 writes them with endian="big".
#
# Versions: h5coro 1.0.7; h5py 3.16.0 writes, and reads as a comparison, with pyfive 1.3.0.
# Seen: readDatasets() gives the bytes of each number in the wrong order, with the data type of this machine: 837 as
#   17667, 1.5 as 6.9e-41. No error; the same numbers in little-endian are right. The byte order is in the file (class bit
#   field of the datatype message), and h5py and pyfive heed it. Chunked or not, compressed or not.
# Expected: 837 and 1.5, or an error, as for other things that h5coro does not read.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check h5py==3.16.0 pyfive==1.3.0 numpy==2.4.6
env/bin/pip install --quiet --disable-pip-version-check --no-deps h5coro==1.0.7  # the others are for buckets and logins
cat > look.py <<'PY'
import logging
import os
import sys

import h5coro
import h5py
import numpy
import pyfive
from h5coro import filedriver

logging.disable(logging.CRITICAL)
SETS = {
    "little": ("<i2", {}),
    "big": (">i2", {}),
    "big_packed": (">i2", {"chunks": (4,), "compression": "gzip"}),
    "big_float": (">f4", {}),
}
values = {name: numpy.array([837, 261, 109, 298] if "i" in kind else [1.5, -2, 0.25, 7], kind)
          for name, (kind, _) in SETS.items()}
with h5py.File("product.h5", "w") as file:
    for name, (_, options) in SETS.items():
        file.create_dataset(name, data=values[name], **options)
opened = h5coro.H5Coro(os.path.abspath("product.h5"), filedriver.FileDriver)
read = opened.readDatasets([f"/{name}" for name in SETS], block=True)
same = True
for name in SETS:
    found = numpy.asarray(read[f"/{name}"][:])
    swapped = values[name].view(values[name].dtype.newbyteorder())
    print(f"{name}: h5coro {found} {found.dtype}, in the file {values[name]}")
    same &= numpy.array_equal(found, values[name] if name == "little" else swapped)
    same &= numpy.array_equal(h5py.File("product.h5")[name][()], values[name])
    same &= numpy.array_equal(pyfive.File("product.h5")[name][()], values[name])
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)  # its threads may outlive the interpreter
PY
env/bin/python look.py
