#!/usr/bin/env bash
# netcdfjs: variables of short and byte along the unlimited dimension of a NetCDF 3 file. Each record of a variable is filled
# up to four bytes there (NetCDF Classic Format Specification, "Note on vsize").
#
# Versions: netcdfjs 4.0.0 (npm; Node.js 20); scipy 1.17.1 writes the files, and reads as a comparison.
# Seen: of two variables with three numbers of 2 bytes in each of three records getDataVariable() gives 12 numbers in place of
#   9, the filling as a number among them: whoever lays time x 3 over them has all times but the first one shifted. A
#   variable of 3 bytes without the unlimited dimension has 4. No error. Variables of 4 bytes and more are right.
# Expected: 9 numbers, and 3.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund netcdfjs@4.0.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cat > write.py <<'PY'
import json

import numpy
from scipy.io import netcdf_file

VARIABLES = {"first": ("i2", ("time", "x")), "second": ("i2", ("time", "x")), "large": ("i4", ("time", "x"))}
VARIABLES["mask"] = ("i1", ("x",))
with netcdf_file("tile.nc", "w") as file:
    file.createDimension("time", None)
    file.createDimension("x", 3)
    for name, (kind, dimensions) in VARIABLES.items():
        values = numpy.arange(1, 10).reshape(3, 3) if "time" in dimensions else numpy.array([1, 2, 3])
        file.createVariable(name, kind, dimensions)[:] = values
with netcdf_file("tile.nc", mmap=False) as file, open("right.json", "w") as target:
    json.dump({name: file.variables[name][:].ravel().tolist() for name in VARIABLES}, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { NetCDFReader } from 'netcdfjs';

const right = JSON.parse(readFileSync('right.json'));
const reader = new NetCDFReader(readFileSync('tile.nc'));
const found = {};
for (const name in right) found[name] = Array.from(reader.getDataVariable(name)).flat();
for (const name in right) console.log(`${name}: ${JSON.stringify(found[name])}, in the file ${JSON.stringify(right[name])}`);
const isRight = (name) => JSON.stringify(found[name]) === JSON.stringify(right[name]);
const lengths = ['first', 'second', 'mask'].map((name) => found[name].length);
const same = JSON.stringify(lengths) === '[12,12,4]' && isRight('large') && right.first.length === 9;
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
