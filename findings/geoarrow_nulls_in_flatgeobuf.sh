#!/usr/bin/env bash
# geoarrow-rust-io: a table of labels with a value that is missing, and a column after it, written as FlatGeobuf.
#
# Versions: geoarrow-rust-io 0.6.1, pyarrow 26.0.1; geopandas 1.2.0 with pyogrio 0.13.0 writes the table as GeoParquet, and reads
#   what comes out.
# Seen: write_flatgeobuf() numbers the columns of a feature by counting its values that are there: a field without a crop whose
#   reviewer is "b" has the crop "b" and no reviewer, by GDAL and by read_flatgeobuf() of the same package. No error, no
#   warning. A missing value in the last column is right, as is a table with all its values.
# Expected: null and "b", as GDAL writes the same table: each value of a feature has the index of its column before it
#   (FlatGeobuf specification, "properties"), and a value that is missing is left out; or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check geoarrow-rust-io==0.6.1 geoarrow-rust-core==0.6.3 \
    pyarrow==26.0.1 geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 pandas==2.3.3 numpy==2.4.6
cat > look.py <<'PY'
import sys

import geopandas
import pyarrow
import shapely
from geoarrow.rust.io import read_flatgeobuf, read_parquet, write_flatgeobuf

COLUMNS = ["plot", "crop", "reviewer"]
TABLES = {
    "gap": [("1", "maize", "a"), ("2", None, "b"), ("3", "wheat", "c")],
    "last": [("1", "maize", "a"), ("2", "rice", None), ("3", "wheat", "c")],
    "full": [("1", "maize", "a"), ("2", "rice", "b"), ("3", "wheat", "c")],
}
points = [shapely.Point(36 + n, 1) for n in range(3)]


def by_gdal(path):
    table = geopandas.read_file(path)[COLUMNS].astype(object)
    return sorted(tuple(None if value != value else value for value in row) for row in table.values.tolist())


def by_geoarrow(path):
    table = pyarrow.table(read_flatgeobuf(path)).select(COLUMNS)
    return sorted(tuple(row.values()) for row in table.to_pylist())


same = True
for name, rows in TABLES.items():
    table = geopandas.GeoDataFrame(dict(zip(COLUMNS, zip(*rows))), geometry=points, crs=4326)
    table.to_parquet("table.parquet")
    write_flatgeobuf(read_parquet("table.parquet"), "geoarrow.fgb")
    table.to_file("gdal.fgb", driver="FlatGeobuf")
    found = by_gdal("geoarrow.fgb"), by_geoarrow("geoarrow.fgb"), by_gdal("gdal.fgb"), by_geoarrow("gdal.fgb")
    print(f"{name}: {rows}")
    print(f"  written by geoarrow: by GDAL {found[0]}, by geoarrow {found[1]}")
    print(f"  written by GDAL: by GDAL {found[2]}, by geoarrow {found[3]}")
    seen = [rows[0], ("2", "b", None), rows[2]] if name == "gap" else rows
    same &= found == (seen, seen, rows, rows)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
