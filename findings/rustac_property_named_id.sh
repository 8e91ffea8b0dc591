#!/usr/bin/env bash
# rustac: an item with a property that is called `id` or `collection`, written as stac-geoparquet. Properties may have any name; labels
# that were made of a GeoJSON file often have the `id` of its feature there.
#
# Versions: rustac 0.9.18; stac-geoparquet 0.8.3 as a comparison, both with pyarrow 26.0.1.
# Seen: rustac.write() says "dropping invalid property: id" in its log, and writes the value of the property as the id
#   of the item: two items of one field have one id when they are read again, and the ids that they had are nowhere in
#   the file. With `collection` the item is in another collection. A property `type` is dropped, as it says.
# Expected: the property is left out, as the message says and stac-geoparquet does, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rustac==0.9.18 stac-geoparquet==0.8.3 pyarrow==26.0.1
cat > look.py <<'PY'
import asyncio
import json
import os
import sys

import pyarrow.parquet
import rustac
import stac_geoparquet.arrow


def item(name, **more):
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": name,
        "collection": "fields",
        "geometry": {"type": "Point", "coordinates": [34.1, 0.5]},
        "bbox": [34.1, 0.5, 34.1, 0.5],
        "properties": {"datetime": "2019-07-01T00:00:00Z", **more},
        "links": [],
        "assets": {"labels": {"href": f"./{name}.geojson"}},
    }


items = [item("fields_0001", id="A-17"), item("fields_0002", id="A-17")]


async def look():
    await rustac.write("items.parquet", items)
    return await rustac.read("items.parquet")


found = [one["id"] for one in asyncio.run(look())["features"]]
other = [item("fields_0001", type="Label", collection="inner")]


async def look_at_others():
    await rustac.write("others.parquet", other)
    return await rustac.read("others.parquet")


kept = asyncio.run(look_at_others())["features"][0]
columns = pyarrow.parquet.read_table("items.parquet")
print("ids written:", [one["id"] for one in items], "ids read:", found)
print("the id in any column:", "fields_0001" in json.dumps(columns.drop_columns(["assets"]).to_pylist(), default=str))
print("with properties `type` and `collection`:", kept["id"], kept["type"], kept["collection"])
same = found == ["A-17", "A-17"] and (kept["type"], kept["collection"]) == ("Feature", "inner")
same = same and "fields_0001" not in json.dumps(columns.drop_columns(["assets"]).to_pylist(), default=str)
table = stac_geoparquet.arrow.parse_stac_items_to_arrow(items)
by_python = [one["id"] for one in stac_geoparquet.arrow.stac_table_to_items(pyarrow.table(table))]
print("by stac-geoparquet: ids read:", by_python)
same = same and by_python == ["fields_0001", "fields_0002"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
