#!/usr/bin/env bash
# jsfive: data sets of an HDF5 file of which some chunks, or all of it, were never written, such as tiles of a mosaic without an
# image. HDF5 does not store them; readers give the fill value of the data set there.
#
# Versions: jsfive 0.4.2 (npm; Node.js 20); h5py 3.16.0 writes, and reads as a comparison, with h5wasm 0.10.3 (npm).
# Seen: value is an array of the right length in which all numbers of such chunks are undefined, not the fill value -9999 that
#   the data set has; so where nothing was written, chunked or not. A sum is NaN, and a typed array made of it has 0 for integers.
#   No error. Numbers that were written are right.
# Expected: -9999, as h5py and h5wasm give it (HDF5 file format, "Fill Value" message), or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund jsfive@0.4.2 h5wasm@0.10.3 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
cat > write.py <<'PY'
import json

import h5py

with h5py.File("file.h5", "w") as file:
    tile = {"shape": (4, 6), "chunks": (2, 3), "dtype": "i2", "fillvalue": -9999}
    file.create_dataset("some", **tile)[:2, :3] = 7
    file.create_dataset("packed", compression="gzip", **tile)[:2, :3] = 7
    file.create_dataset("none", shape=(4,), dtype="i2", fillvalue=-9999)
    file.create_dataset("all", **tile)[:] = 7
with h5py.File("file.h5") as file, open("right.json", "w") as out:
    json.dump({name: file[name][()].ravel().tolist() for name in file}, out)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import h5wasm from 'h5wasm/node';
import * as jsfive from 'jsfive';

const right = JSON.parse(readFileSync('right.json'));
const file = new jsfive.File(Uint8Array.from(readFileSync('file.h5')).buffer, 'file.h5');
await h5wasm.ready;
const other = new h5wasm.File('file.h5', 'r');
let same = true;
for (const [name, numbers] of Object.entries(right)) {
  const found = Array.from(file.get(name).value);
  const byWasm = Array.from(other.get(name).value);
  const missing = numbers.filter((one) => one === -9999).length;
  const count = found.filter((one) => one === undefined).length;
  console.log(`${name}: h5py ${numbers.slice(0, 6)}; h5wasm ${byWasm.slice(0, 6)}; jsfive ${found.slice(0, 6).map(String)},`,
    `${count} of ${found.length} undefined`);
  same &&= byWasm.every((one, i) => one === numbers[i]) && found.length === numbers.length && count === missing;
  same &&= found.every((one, i) => one === (numbers[i] === -9999 ? undefined : numbers[i]));
}
other.close();
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
