#!/usr/bin/env bash
# rustac: an item whose geometry has heights, such as the footprint of a point cloud or of a drone flight, and a
# datetime with microseconds, written as stac-geoparquet.
#
# Versions: rustac 0.9.18; stac-geoparquet 0.8.3 with pyarrow 26.0.1 and shapely 2.2.0 as a comparison.
# Seen: rustac.write() drops the third coordinate of every position, though the bbox of six numbers stays, and the
#   datetime ends at milliseconds. Neither is said. stac-geoparquet writes both in full, and rustac.read() drops the
#   heights again when it reads that file.
# Expected: WKB has three dimensions, Parquet has microseconds: the item comes back as it was, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    rustac==0.9.18 stac-geoparquet==0.8.3 pyarrow==26.0.1 shapely==2.2.0
cat > look.py <<'PY'
import asyncio
import os
import sys

import pyarrow
import pyarrow.parquet
import rustac
import shapely
import stac_geoparquet.arrow

ring = [[7.1, 46.2, 512.5], [7.2, 46.2, 530.0], [7.2, 46.3, 541.25], [7.1, 46.2, 512.5]]
item = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "stac_extensions": [],
    "id": "flight",
    "collection": "flights",
    "geometry": {"type": "Polygon", "coordinates": [ring]},
    "bbox": [7.1, 46.2, 512.5, 7.2, 46.3, 541.25],
    "properties": {"datetime": "2023-08-02T09:15:30.123456Z"},
    "links": [],
    "assets": {"points": {"href": "./flight.copc.laz"}},
}


def heights(path):
    (geometry,) = pyarrow.parquet.read_table(path)["geometry"].to_pylist()
    return bool(shapely.has_z(shapely.from_wkb(geometry)))


def time(path):
    return pyarrow.parquet.read_table(path)["datetime"].cast(pyarrow.timestamp("us", "UTC")).to_pylist()[0].microsecond


async def by_rust(path):
    (found,) = (await rustac.read(path))["features"]
    return len(found["geometry"]["coordinates"][0][0]), len(found["bbox"]), found["properties"]["datetime"]


async def look():
    await rustac.write("rust.parquet", [item])
    table = pyarrow.table(stac_geoparquet.arrow.parse_stac_items_to_arrow([item]))
    stac_geoparquet.arrow.to_parquet(table, "python.parquet")
    seen = {}
    for path in ("rust.parquet", "python.parquet"):
        seen[path] = (heights(path), time(path), *await by_rust(path))
        print(f"{path}: heights in the file: {seen[path][0]}, microseconds: {seen[path][1]};", end=" ")
        print(f"read by rustac: {seen[path][2]} coordinates, bbox of {seen[path][3]}, {seen[path][4]}")
    return seen


seen = asyncio.run(look())
written, other = seen["rust.parquet"], seen["python.parquet"]
same = written[:4] == (False, 123000, 2, 6) and other[:4] == (True, 123456, 2, 6)
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
