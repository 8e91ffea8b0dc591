#!/usr/bin/env bash
# pyshp: a shapefile with a row that was deleted. Editors mark such a row in the .dbf (an asterisk before it, where dBASE has
# a space) and leave it and its shape in their places until the file is packed.
#
# Versions: pyshp 3.1.6; pyogrio 0.13.0 with geopandas 1.2.0 writes, and reads as a comparison.
# Seen: of four fields of which the second was deleted, shapeRecords(), iterShapeRecords() and __geo_interface__ give the
#   shape of the deleted one with the attributes of the third, and so on: all labels after a deleted row are one place
#   off, and the last shape is missing. records() leaves the deleted row out, shapes() does not, and the two are put
#   together by their order. len() is 4. No error, no warning. record(1) alone gives None, and record(2) is right.
# Expected: the three rows that are left, each with its own shape, as GDAL reads them.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    pyshp==3.1.6 pyogrio==0.13.0 geopandas==1.2.0 pandas==2.3.3 numpy==2.1.3
cat > look.py <<'PY'
import sys

import geopandas
import shapefile
from shapely.geometry import Point

crops = ["maize", "wheat", "rice", "beans"]
frame = geopandas.GeoDataFrame({"crop": crops}, geometry=[Point(place, 0) for place in range(4)], crs=4326)
frame.to_file("fields.shp", engine="pyogrio")
with open("fields.dbf", "r+b") as table:
    header = table.read(12)
    start, length = (int.from_bytes(header[at : at + 2], "little") for at in (8, 10))
    table.seek(start + 1 * length)
    assert table.read(1) == b" "
    table.seek(start + 1 * length)
    table.write(b"*")

by_gdal = {row.crop: row.geometry.x for row in geopandas.read_file("fields.shp", engine="pyogrio").itertuples()}
with shapefile.Reader("fields.shp") as reader:
    found = {
        "shapeRecords": {row.record["crop"]: row.shape.points[0][0] for row in reader.shapeRecords()},
        "iterShapeRecords": {row.record["crop"]: row.shape.points[0][0] for row in reader.iterShapeRecords()},
        "__geo_interface__": {
            feature["properties"]["crop"]: feature["geometry"]["coordinates"][0]
            for feature in reader.__geo_interface__["features"]
        },
    }
    counts = [len(reader), len(reader.shapes()), len(reader.records())]
    alone = [reader.record(1), reader.record(2)["crop"], reader.shape(2).points[0][0]]
print("crop and x in the file:", dict(zip(crops, range(4))), "of which wheat is deleted")
print("GDAL:", by_gdal)
for way, rows in found.items():
    print(f"{way}:", rows)
print("len, shapes, records:", counts, "one by one:", alone)
same = (
    by_gdal == {"maize": 0, "rice": 2, "beans": 3}
    and all(rows == {"maize": 0, "rice": 1, "beans": 2} for rows in found.values())
    and counts == [4, 4, 3]
    and alone == [None, "rice", 2]
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
