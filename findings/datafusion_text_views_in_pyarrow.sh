#!/usr/bin/env bash
# Parquet files of DataFusion read with pyarrow: no row can be chosen from them.
#
# Versions: datafusion 55.0.0 (Python), pyarrow 26.0.1.
# Seen: DataFusion reads text as Utf8View, and stores that in the Arrow schema of the files it writes, also of those
#   that it copies from a file with plain strings. pyarrow gives such columns the type string_view, and has no kernel
#   that filters or takes from it: read_table(filters=...) by another column, Table.filter, take and sort_by end with
#   ArrowNotImplementedError. All rows can be read.
# Expected: what can be read as string can be filtered, as it can before the file went through DataFusion.
#   A schema given to read_table (string in place of string_view) is a way around it.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check datafusion==55.0.0 pyarrow==26.0.1
cat > look.py <<'PY'
import os
import sys

import pyarrow
import pyarrow.parquet as parquet
from datafusion import SessionContext

parquet.write_table(pyarrow.table({"id": ["a", "b"], "n": [2, 1]}), "plain.parquet")
context = SessionContext()
context.register_parquet("plain", "plain.parquet")
context.sql("SELECT * FROM plain").write_parquet("copied")
copied = os.path.join("copied", os.listdir("copied")[0])

looks = {
    "read_table": lambda path: parquet.read_table(path).num_rows,
    "read_table, filters by n": lambda path: parquet.read_table(path, filters=[("n", "==", 1)]).num_rows,
    "filter": lambda path: parquet.read_table(path).filter(pyarrow.array([True, False])).num_rows,
    "take": lambda path: parquet.read_table(path).take([0]).num_rows,
    "sort_by n": lambda path: parquet.read_table(path).sort_by("n").num_rows,
    "as string, filters by n": lambda path: parquet.read_table(
        path, filters=[("n", "==", 1)], schema=pyarrow.schema({"id": "string", "n": "int64"})
    ).num_rows,
}
expected = {name: "ArrowNotImplementedError" for name in looks} | {"read_table": 2, "as string, filters by n": 1}


def result(look, path):
    try:
        return look(path)
    except Exception as error:
        print("   ", str(error)[:100])
        return type(error).__name__


kinds = [str(parquet.read_schema(path).field("id").type) for path in ("plain.parquet", copied)]
found = {name: result(look, copied) for name, look in looks.items()}
before = {name: result(look, "plain.parquet") for name, look in looks.items()}
print("types of id:", *kinds)
for name in looks:
    print(f"{name}: {before[name]} before, {found[name]} after")
same = kinds == ["string", "string_view"] and found == expected and all(isinstance(n, int) for n in before.values())
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
