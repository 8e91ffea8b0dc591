#!/usr/bin/env bash
# A STAC item without geometry (`"geometry": null`, which the item specification allows together with no bbox) in
# stac-geoparquet files, as two packages of the field treat it.
#
# Versions: rustac 0.9.18, stac-geoparquet 0.8.3, pyarrow as pinned below.
# Seen: rustac.read() of a GeoParquet 1.1 file whose second row has a null geometry gives that item a Polygon
#   without coordinates, the type of the other rows, without an error. rustac.write() refuses such an item ("invalid type: null, expected
#   Geometry object"), and so does parse_stac_items_to_arrow() of stac-geoparquet (AttributeError).
# Expected: GeoParquet 1.1 allows nulls in a geometry column; the item comes back with a null geometry.
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
import json
import os
import sys

import pyarrow
import pyarrow.parquet
import rustac
import shapely
import stac_geoparquet.arrow

square = {"type": "Polygon", "coordinates": [[[10, 50], [11, 50], [11, 51], [10, 51], [10, 50]]]}


def item(name, geometry):
    found = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "collection": "fields",
        "geometry": geometry,
        "properties": {"datetime": "2021-05-04T10:00:00Z"},
        "links": [],
        "assets": {"labels": {"href": f"./{name}.geojson"}},
    }
    return {**found, "bbox": [10, 50, 11, 51]} if geometry else found


items = [item("with-geometry", square), item("without-geometry", None)]


def column(name):
    return [one.get(name) for one in items]


wkb = [one and shapely.to_wkb(shapely.from_geojson(json.dumps(one))) for one in column("geometry")]
bbox = [one and dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, one))) for one in column("bbox")]
table = pyarrow.table(
    {
        **{name: column(name) for name in ("type", "stac_version", "id", "collection", "assets")},
        "datetime": pyarrow.array([one["properties"]["datetime"] for one in items]),
        "geometry": pyarrow.array(wkb, pyarrow.binary()),
        "bbox": pyarrow.array(bbox),
    }
)
geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"]}}}
pyarrow.parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), "items.parquet")


async def look():
    read = await rustac.read("items.parquet")
    geometries = {one["id"]: one["geometry"] for one in read["features"]}
    print("rustac.read: geometry of the item without one:", json.dumps(geometries["without-geometry"]))
    try:
        await rustac.write("again.parquet", items)
        refused = False
    except rustac.RustacError as error:
        print("rustac.write:", error)
        refused = True
    return geometries["without-geometry"] == {"type": "Polygon", "coordinates": []}, refused


empty, refused = asyncio.run(look())
try:
    stac_geoparquet.arrow.parse_stac_items_to_arrow(items)
    also_refused = False
except AttributeError as error:
    print("stac-geoparquet:", type(error).__name__, error)
    also_refused = True
same = empty and refused and also_refused
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
