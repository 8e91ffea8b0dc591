#!/usr/bin/env bash
# stac-geoparquet: items over the antimeridian, and readers that choose rows by the covering that the file declares.
#
# Versions: stac-geoparquet 0.8.3, geopandas 1.2.0, pyarrow 26.0.1.
# Seen: to_parquet() declares the bbox of the items as the covering of GeoParquet 1.1, the range of the coordinates of
#   each row. That of an item over the antimeridian is 179 to -179 (RFC 7946 5.2, which STAC follows), as a range of
#   numbers it is empty: geopandas.read_parquet(bbox=...) leaves the item out where it lies, west of 180 degrees and east
#   of it, and finds it with the box of the whole world only. No error. By its geometry it is in both places, and in a
#   file that geopandas wrote too (write_covering_bbox=True), with -180 to 180.
# Expected: the range of the coordinates (-180 to 180) in a column that is declared as covering, or no covering: readers
#   refuse a bbox then.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check stac-geoparquet==0.8.3 geopandas==1.2.0 pyarrow==26.0.1
cat > look.py <<'PY'
import json
import sys
import warnings

import geopandas
import pyarrow.parquet
import stac_geoparquet.arrow
from shapely.geometry import MultiPolygon, box, mapping

warnings.simplefilter("error", UserWarning)
SHAPES = {
    "fiji": (MultiPolygon([box(179, -18, 180, -17), box(-180, -18, -179, -17)]), [179, -18, -179, -17]),
    "kenya": (box(36, -1, 37, 0), [36, -1, 37, 0]),
}
BOXES = {
    "west of 180": (179.2, -18, 179.8, -17),
    "east of 180": (-179.8, -18, -179.2, -17),
    "world": (-180, -90, 180, 90),
}


def item(name, shape, bbox):
    return {
        **{"type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": name, "collection": "c"},
        **{"geometry": mapping(shape), "bbox": bbox, "links": [], "assets": {}},
        "properties": {"datetime": "2024-01-01T00:00:00Z"},
    }


table = stac_geoparquet.arrow.parse_stac_items_to_arrow([item(name, *one) for name, one in SHAPES.items()])
stac_geoparquet.arrow.to_parquet(table, "items.parquet")
covering = json.loads(pyarrow.parquet.read_schema("items.parquet").metadata[b"geo"])["columns"]["geometry"]["covering"]
everything = geopandas.read_parquet("items.parquet")
everything[["id", "geometry"]].to_parquet("rewritten.parquet", write_covering_bbox=True)
found = {}
for name, one in BOXES.items():
    found[name] = [
        sorted(geopandas.read_parquet("items.parquet", bbox=one)["id"]),
        sorted(everything[everything.intersects(box(*one))]["id"]),
        sorted(geopandas.read_parquet("rewritten.parquet", bbox=one)["id"]),
    ]
    print(f"{name}: by covering {found[name][0]}, by geometry {found[name][1]}, rewritten by geopandas {found[name][2]}")
same = covering["bbox"]["xmin"] == ["bbox", "xmin"] and found == {
    "west of 180": [[], ["fiji"], ["fiji"]],
    "east of 180": [[], ["fiji"], ["fiji"]],
    "world": [["fiji", "kenya"]] * 3,
}
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
