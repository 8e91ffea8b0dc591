#!/usr/bin/env bash
# odc-stac: items of one collection whose bands have different data types, such as the years of a label collection, of
# which the first ones had up to 255 classes.
#
# Versions: odc-stac 0.5.3, odc-loader 0.6.5, pystac 1.15.2, rasterio 1.4.4.
# Seen: odc.stac.load() takes data type and nodata of a band from one item, the first in the list, for all of them, though
#   each item says its own (data_type, nodata in raster:bands). With a uint8 item first the 5000 of a uint16 item
#   becomes 255 and the -5 of an int16 item 0, which is nodata. No error, no warning. With the uint16 item first all
#   values are right: the order of a search result decides. With dtype="int32" they are right in each order.
# Expected: a type that holds all of the declared ones, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check \
    odc-stac==0.5.3 odc-loader==0.6.5 pystac==1.15.2 rasterio==1.4.4 numpy==2.4.6 xarray==2026.9.0
cat > look.py <<'PY'
import os
import sys
import warnings

import numpy
import odc.stac
import pystac
import rasterio
from rasterio.transform import from_origin

warnings.simplefilter("error", UserWarning)
warnings.simplefilter("error", RuntimeWarning)


def item(name, kind, value, nodata, time):
    transform = from_origin(500_000, 40, 10, 10)
    profile = {"width": 4, "height": 4, "count": 1, "dtype": kind, "nodata": nodata, "crs": "EPSG:32636"}
    with rasterio.open(f"{name}.tif", "w", driver="GTiff", transform=transform, **profile) as out:
        out.write(numpy.full((1, 4, 4), value, kind))
    ring = [[33, 0], [33.0004, 0], [33.0004, 0.0004], [33, 0.0004], [33, 0]]
    asset = {"href": os.path.abspath(f"{name}.tif"), "type": "image/tiff; application=geotiff", "roles": ["data"]}
    places = {"proj:epsg": 32636, "proj:shape": [4, 4], "proj:transform": list(transform)[:6]}
    return pystac.Item.from_dict({
        **{"type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "labels", "links": []},
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        **{"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [33, 0, 33.0004, 0.0004]},
        "properties": {"datetime": time} | places,
        "assets": {"classes": asset | {"raster:bands": [{"data_type": kind, "nodata": nodata}]}},
    })


small = item("small", "uint8", 7, 0, "2022-01-01T00:00:00Z")
large = item("large", "uint16", 5000, 65535, "2023-01-01T00:00:00Z")
signed = item("signed", "int16", -5, -9999, "2024-01-01T00:00:00Z")


def load(items, **options):
    found = odc.stac.load(items, bands=["classes"], **options).classes
    values = {str(time)[:4]: int(one) for time, one in zip(found.time.values, found.values[:, 0, 0])}
    print(f"{[one.id for one in items]} {options}: {found.dtype} nodata={found.attrs.get('nodata')} {values}")
    return str(found.dtype), values


same = (
    load([small, large]) == ("uint8", {"2022": 7, "2023": 255})
    and load([large, small]) == ("uint16", {"2022": 7, "2023": 5000})
    and load([small, signed]) == ("uint8", {"2022": 7, "2024": 0})
    and load([small, large], dtype="int32") == ("int32", {"2022": 7, "2023": 5000})
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
