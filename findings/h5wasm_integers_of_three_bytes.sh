#!/usr/bin/env bash
# h5wasm: integers of an HDF5 file that do not fill their bytes from the first bit on, as packed quality flags or counts of a
# sensor with 12 bits have it, or that have three bytes; and big-endian ones within a structure or an enumeration.
#
# Versions: h5wasm 0.10.3 (npm; Node.js 20); h5py 3.16.0 writes, and reads as a comparison.
# Seen: value gives the single bytes of numbers of three bytes as numbers: -50, -1, -1, -47 for -50, -47. Numbers of 12 bits at
#   bit 2 of their two bytes are four times as large: the offset in the type is left out. Big-endian members of a compound
#   are right as long as all members are, and have their bytes in the wrong order beside one in little-endian: 256 for 1;
#   so have labels of a big-endian enumeration. No exception; for the enumeration alone the library of HDF5 prints a message.
#   Big-endian numbers by themselves are right, as are 12 bits from bit 0 on.
# Expected: -47, 1 and the others, as the library of HDF5 gives them in a type of the machine (bit offset, bit precision, size and
#   byte order of the datatype message, HDF5 file format, IV.A.2.d); or an error, as for floats of two bytes.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund h5wasm@0.10.3 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
cat > write.py <<'PY'
import json

import h5py
import numpy
from h5py import h5d, h5s, h5t

counts = numpy.arange(12) * 3 - 50


def as_type(base, size, precision, offset):
    kind = base.copy()
    kind.set_precision(precision)
    kind.set_size(size)
    kind.set_offset(offset)
    return kind


PACKED = {
    "three bytes": (as_type(h5t.STD_I32LE, 3, 24, 0), counts),
    "12 bits at bit 2": (as_type(h5t.STD_U16LE, 2, 12, 2), counts + 60),
    "12 bits at bit 0": (as_type(h5t.STD_U16LE, 2, 12, 0), counts + 60),
}
MIXED = [("class", ">i2"), ("area", ">i4"), ("n", "<i4")]
ALL_BIG = [("class", ">i2"), ("area", ">i4"), ("n", ">i4")]
rows = [(1, 2, 3), (-5, 6, 7)]
right = {}
with h5py.File("scene.h5", "w") as file:
    for name, (kind, numbers) in PACKED.items():
        data = h5d.create(file.id, name.encode(), kind, h5s.create_simple((12,)))
        data.write(h5s.ALL, h5s.ALL, numbers.astype("i4"))
    file["compound of both"] = numpy.array(rows, dtype=MIXED)
    file["compound"] = numpy.array(rows, dtype=ALL_BIG)
    kind = h5py.enum_dtype({"water": 0, "ice": 1, "land": 2}, basetype=">i2")
    file.create_dataset("labels", data=numpy.array([0, 1, 2], ">i2"), dtype=kind)
    file["big-endian"] = counts.astype(">i2")
with h5py.File("scene.h5") as file:
    for name, data in file.items():
        if name in PACKED:
            found = numpy.zeros(12, "i4")
            data.id.read(h5s.ALL, h5s.ALL, found)  # converted by the library of HDF5: numpy has no such type
        else:
            found = data[...]
        right[name] = [list(map(int, row)) for row in found] if found.dtype.names else list(map(int, found))
assert all(right[name] == numbers.tolist() for name, (_, numbers) in PACKED.items())
assert right["compound of both"] == right["compound"] == [list(row) for row in rows]
assert right["labels"] == [0, 1, 2] and right["big-endian"] == counts.tolist()
with open("right.json", "w") as target:
    json.dump(right, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import h5wasm from 'h5wasm/node';

await h5wasm.ready;
const file = new h5wasm.File('scene.h5', 'r');
const text = (value) => JSON.stringify(value);
const found = {};
let same = true;
for (const [name, right] of Object.entries(JSON.parse(readFileSync('right.json')))) {
  const { value } = file.get(name);
  found[name] = Array.from(value);
  console.log(`${name}: ${text(found[name].slice(0, 5))} of ${text(right.slice(0, 5))}`);
  const wrong = found[name].filter((one, n) => text(one) !== text(right[n])).length;
  if (name === 'three bytes') same &&= text(found[name].slice(0, 6)) === text([-50, -1, -1, -47, -1, -1]);
  else if (name === '12 bits at bit 2') same &&= text(found[name]) === text(right.map((one) => 4 * one));
  else if (name === 'compound of both') same &&= text(found[name]) === text([[256, 33554432, 3], [-1025, 100663296, 7]]);
  else if (name === 'labels') same &&= text(found[name]) === text([0, 256, 512]);
  else same &&= wrong === 0;
  same &&= found[name].length === (name === 'three bytes' ? 3 : 1) * right.length;
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
