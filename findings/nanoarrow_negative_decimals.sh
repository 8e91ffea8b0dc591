#!/usr/bin/env bash
# nanoarrow (Python): decimals below zero of an Arrow column, such as longitudes, heights below the sea and temperatures that a
# database gives as DECIMAL, to Python.
#
# Versions: nanoarrow 0.9.0; pyarrow 26.0.1 makes the columns, and reads as a comparison, with duckdb 1.5.5.
# Seen: to_pylist(), iter_py() and str() take the number as one without a sign: -12.34 is 3.402824E+36 as decimal(7, 2), rounded to
#   the precision of the type, and 1.157921E+75 as one of 256 bits. No error, no warning. Numbers from 0 on are right.
# Expected: -12.34: the integer is two's complement (Arrow columnar format, Schema.fbs, "Decimal"), as pyarrow and DuckDB have it.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check nanoarrow==0.9.0 pyarrow==26.0.1 duckdb==1.5.5
cat > look.py <<'PY'
import decimal
import sys

import duckdb
import nanoarrow
import pyarrow

TEXTS = ["-12.34", "-0.01", "0.00", "56.78", None]
values = [text and decimal.Decimal(text) for text in TEXTS]
same = True
for bits, kind in ((128, pyarrow.decimal128(7, 2)), (128, pyarrow.decimal128(38, 2)), (256, pyarrow.decimal256(7, 2))):
    column = pyarrow.array(values, kind)
    assert column.to_pylist() == values
    found = nanoarrow.Array(column).to_pylist()
    print(f"{kind}: {[str(number) for number in found]} of {TEXTS}")
    same &= found == list(nanoarrow.Array(column).iter_py()) and str(found[0]) in str(nanoarrow.Array(column))
    for number, right in zip(found, values, strict=True):
        if right is None or right >= 0:
            same &= number == right
        else:
            without_sign = decimal.Decimal(int(right * 100) % 2**bits).scaleb(-2, decimal.Context(prec=kind.precision))
            same &= number == without_sign and number > 10**30
positions = pyarrow.table({"longitude": pyarrow.array(values, pyarrow.decimal128(7, 2))})
by_duckdb = [row[0] for row in duckdb.sql("select longitude from positions").fetchall()]
print(f"DuckDB: {[str(number) for number in by_duckdb]}")
same &= by_duckdb == values
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
