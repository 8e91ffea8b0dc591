#!/usr/bin/env bash
# zarrita (Zarr for JavaScript): chunks that are not stored of arrays whose fill value is a large integer, such as the largest of
# the type for "no data", or a NaN that is written as hexadecimal.
#
# Versions: zarrita 0.7.5 (npm; Node.js 20); zarr 3.1.6 (Python) writes, and reads as a comparison.
# Seen: for the fill value 18446744073709551615 of uint64 get() gives 0, for 9223372036854775807 of int64
#   -9223372036854775808, the smallest in place of the largest, and for 9007199254740993 one less: JSON.parse() makes a
#   double of the number before zarrita makes a BigInt of it. So with Zarr 2 and 3. "0x7fc00001" of float32, a NaN, is
#   2143289344, its bits as a number (rounded). No error, no warning. Stored chunks are right, as are fill values that a
#   double holds.
# Expected: the fill values: Zarr 3 has integers as JSON numbers without a limit, and floats as a hexadecimal string of
#   their bytes ("Fill value" of the core specification); or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund zarrita@0.7.5 @zarrita/storage@0.2.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check zarr==3.1.6 numpy==2.4.6
cat > by_zarrita.mjs <<'JS'
import { FileSystemStore } from '@zarrita/storage';
import { get, open, root } from 'zarrita';

const found = {};
for (const name of process.argv.slice(2)) {
  const { data } = await get(await open(root(new FileSystemStore(`${process.cwd()}/${name}`)), { kind: 'array' }));
  found[name] = Array.from(data, String);
}
console.log(JSON.stringify(found));
JS
cat > look.py <<'PY'
import json
import math
import subprocess
import sys

import zarr

LARGEST = 2**64 - 1
ARRAYS = {
    "uint64": (LARGEST, "0"),
    "int64": (2**63 - 1, str(-(2**63))),
    "odd": (2**53 + 1, str(2**53)),
    "nan": (math.nan, "2143289344"),
    "small": (-9999, "-9999"),
}
TYPES = {"odd": "int64", "nan": "float32", "small": "int64"}
names = {}
for version in (2, 3):
    for name, (fill, _) in ARRAYS.items():
        if (version, name) == (2, "nan"):
            continue  # Zarr 2 has no hexadecimal
        path = f"{name}-{version}.zarr"
        kind = TYPES.get(name, name)
        array = zarr.create_array(path, shape=(4,), chunks=(2,), dtype=kind, fill_value=fill, zarr_format=version)
        array[:2] = 7  # the second chunk is not stored
        names[path] = name
with open("nan-3.zarr/zarr.json") as file:
    metadata = json.load(file)
with open("nan-3.zarr/zarr.json", "w") as file:
    json.dump(metadata | {"fill_value": "0x7fc00001"}, file)
run = subprocess.run(["node", "by_zarrita.mjs", *names], check=True, capture_output=True)
by_zarrita = json.loads(run.stdout)
same = True
for path, name in names.items():
    fill, seen = ARRAYS[name]
    by_zarr = zarr.open_array(path, mode="r")[:].tolist()
    print(f"{path}: zarr {by_zarr}, zarrita {by_zarrita[path]}")
    same &= by_zarr[:2] == [7, 7] and all(one == fill or (math.isnan(one) and math.isnan(fill)) for one in by_zarr[2:])
    same &= by_zarrita[path] == ["7", "7", seen, seen]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
