#!/usr/bin/env bash
# h5coro: numbers of an HDF5 file with the shuffle filter and without DEFLATE, and noisy ones, such as speckle, with a filter
# that h5coro does not have: Zstandard, scale-offset.
#
# Versions: h5coro 1.0.7; h5py 3.16.0 with hdf5plugin 7.1.0 writes, and reads as a comparison, with pyfive 1.3.0.
# Seen: readDatasets() gives shuffled numbers as they are stored: 0, 1, 2 are 256, 770, 1284. No error. Of filters that it does
#   not have, it gives the bytes that they wrote, wherever these are not fewer than those of the chunk. Its error "unsupported
#   filter specified" is never raised: it stands at a dictionary that takes any key. Chunks that became smaller end in a
#   ValueError for want of bytes. Right are shuffle with DEFLATE, and Fletcher32.
# Expected: the numbers, or that error. The filters of the pipeline message were applied to all of these chunks (their filter
#   masks are 0), so they have to be undone (HDF5 File Format Specification, Data Storage - Filter Pipeline Message).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check h5py==3.16.0 hdf5plugin==7.1.0 pyfive==1.3.0 numpy==2.4.6
env/bin/pip install --quiet --disable-pip-version-check --no-deps h5coro==1.0.7  # the others are for buckets and logins
cat > look.py <<'PY'
import logging
import os
import sys

import h5coro
import h5py
import hdf5plugin
import numpy
import pyfive
from h5coro import filedriver

logging.disable(logging.CRITICAL)
counts = (numpy.arange(10000) % 3000).astype("<i2").reshape(100, 100)
speckle = numpy.random.default_rng(0).integers(0, 256, (100, 100)).astype("u1")
SETS = {
    "counts_shuffle": (counts, {"shuffle": True}),
    "counts_shuffle_fletcher32": (counts, {"shuffle": True, "fletcher32": True}),
    "speckle_zstd": (speckle, hdf5plugin.Zstd()),
    "speckle_scaleoffset": (speckle, {"scaleoffset": 0}),
    "counts_shuffle_deflate": (counts, {"compression": "gzip", "shuffle": True}),
    "counts_fletcher32": (counts, {"fletcher32": True}),
    "speckle_deflate": (speckle, {"compression": "gzip"}),
}
with h5py.File("product.h5", "w") as file:
    for name, (values, options) in SETS.items():
        file.create_dataset(name, data=values, chunks=(50, 50), **options)
same = True
with h5py.File("product.h5") as file:
    for name, (values, _) in SETS.items():
        assert numpy.array_equal(file[name][()], values)
        if name.startswith("counts"):
            assert numpy.array_equal(pyfive.File("product.h5")[name][()], values)
        pipeline = file[name].id.get_create_plist()
        filters = [pipeline.get_filter(n)[0] for n in range(pipeline.get_nfilters())]
        masks = {file[name].id.get_chunk_info(n).filter_mask for n in range(file[name].id.get_num_chunks())}
        opened = h5coro.H5Coro(os.path.abspath("product.h5"), filedriver.FileDriver)
        found = numpy.asarray(opened.readDatasets([name], block=True)[name][:])
        wrong = (found != values).mean()
        print(f"{name}: filters {filters}, masks {masks}; h5coro {found[0, :5]} of {values[0, :5]}, {wrong:.0%} are wrong")
        right = name in ("counts_shuffle_deflate", "counts_fletcher32", "speckle_deflate")
        same &= found.shape == values.shape and masks == {0} and (wrong == 0 if right else wrong > 0.9)
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)  # its threads may outlive the interpreter
PY
env/bin/python look.py
