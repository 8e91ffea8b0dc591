#!/usr/bin/env bash
# A folder of two GeoParquet files with different coordinate reference systems, such as label tiles in UTM zones 36 and
# 37, read as one table.
#
# Versions: geopandas 1.2.0, pyarrow 26.0.1.
# Seen: geopandas.read_parquet(folder) gives all rows the CRS of the first file. Two points, one in each zone at easting
#   500,000, are both at 33 degrees east then; the second is at 39 in truth, 670 km away. No error, no warning.
#   So do pyarrow.concat_tables() and pyarrow.dataset(): the metadata `geo` of the first table is that of all.
# Expected: an error. geopandas' own concat() of the same two frames raises one ("Cannot determine common CRS").
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check geopandas==1.2.0 pyarrow==26.0.1
cat > look.py <<'PY'
import json
import os
import sys
import warnings

import geopandas
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
from shapely.geometry import Point

warnings.simplefilter("error")
os.mkdir("labels")
zones = {"36": 32636, "37": 32637}
frames = {
    zone: geopandas.GeoDataFrame({"zone": [zone]}, geometry=[Point(500_000, 0)], crs=code)
    for zone, code in zones.items()
}
for zone, frame in frames.items():
    frame.to_parquet(f"labels/{zone}.parquet")
together = geopandas.read_parquet("labels")
degrees = dict(zip(together["zone"], together.to_crs(4326).geometry.x.round(6)))
print("geopandas.read_parquet(folder):", together.crs.to_epsg(), degrees)


def code(table):
    return json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["crs"]["id"]["code"]


tables = [pyarrow.parquet.read_table(f"labels/{zone}.parquet") for zone in zones]
joined = code(pyarrow.concat_tables(tables))
listed = code(pyarrow.dataset.dataset("labels").to_table())
print("pyarrow.concat_tables:", joined, "pyarrow.dataset:", listed)
try:
    pandas.concat(frames.values())
    refused = False
except ValueError as error:
    print("concat of the frames:", str(error).splitlines()[0][:80])
    refused = True
same = degrees == {"36": 33.0, "37": 33.0} and joined == listed == 32636 and refused
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
