#!/usr/bin/env bash
# apache-arrow for JavaScript: decimals of 256 bits as text, as areas and identifiers of more than 38 digits have them, and the
# type BIGNUMERIC of BigQuery in Arrow.
#
# Versions: apache-arrow 21.2.0 (npm; Node.js 20); pyarrow 26.0.1 writes, and reads as a comparison.
# Seen: String(value) and toJSON() have the last digits only: 1499 is "9", -1500 is "-0", and of 75 digits about half are left. No
#   error. The bytes are all there: valueOf(scale) gives 14.99 and -15. Decimals of 128 bits have all digits.
# Expected: "1499", the integer without its scale, as for 128 bits (Arrow columnar format, Schema.fbs: Decimal is a
#   two's complement integer of 128 or 256 bits).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund apache-arrow@21.2.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > write.py <<'PY'
import decimal
import json

import pyarrow
from pyarrow import ipc

decimal.getcontext().prec = 80
SCALE = 2
numbers = [1499, -1500, 5, 88, -26, 10**15 + 7, -(2**100), 10**37 - 1]
LONG = [123456789 * 10**66 + 987654321, -(10**74) - 4321]
right = {}
for bits, kind, more in ((128, pyarrow.decimal128(38, SCALE), []), (256, pyarrow.decimal256(76, SCALE), LONG)):
    right[bits] = [str(number) for number in numbers + more]
    values = [decimal.Decimal(number).scaleb(-SCALE) for number in numbers + more]
    table = pyarrow.table({"area": pyarrow.array(values, kind)})
    with ipc.new_file(f"{bits}.arrow", table.schema) as out:
        out.write_table(table)
    with ipc.open_file(f"{bits}.arrow") as file:
        assert file.read_all()["area"].to_pylist() == values
with open("right.json", "w") as target:
    json.dump(right, target)
PY
env/bin/python write.py
cat > look.mjs <<'JS'
import { readFileSync } from 'node:fs';
import { tableFromIPC } from 'apache-arrow';

let same = true;
for (const [bits, right] of Object.entries(JSON.parse(readFileSync('right.json')))) {
  const column = tableFromIPC(readFileSync(`${bits}.arrow`)).getChild('area');
  right.forEach((expected, n) => {
    const value = column.get(n);
    const found = String(value);
    console.log(`${bits} bits: ${found} of ${expected}`);
    same &&= value.toJSON() === `"${found}"`;
    if (bits === '128' || expected.length === 1) same &&= found === expected;
    else {
      const digits = found.replace('-', '');
      same &&= digits.length < 0.7 * expected.length && expected.endsWith(digits);
      same &&= found.startsWith('-') === expected.startsWith('-');
    }
  });
  const [first, second] = [0, 1].map((n) => column.get(n).valueOf(2));
  console.log(`${bits} bits, valueOf(2): ${first}, ${second}`);
  same &&= first === 14.99 && second === -15;
}
console.log(same ? 'as described' : 'CHANGED: this finding is out of date');
process.exitCode = same ? 0 : 1;
JS
node look.mjs
