#!/usr/bin/env bash
# geoutils, and with it xdem: values of a raster whose pixels are points (AREA_OR_POINT=Point, as SRTM and the Copernicus DEM have
# it) at other points, such as heights at the footprints of an altimeter, and the raster as a cloud of points.
#
# Versions: geoutils 0.2.5, rasterio 1.4.4 (seen with 1.5.2 too); rasterio's sample() and the places of GDAL's corners as a comparison.
# Seen: the centre of the first pixel of a raster that begins at 500000, 5000200 with pixels of 10 m is 500005, 5000195. coords()
#   and ij2xy(0, 0) have it at 499995, 5000205, outside of the raster. interp_points() gives at the centre of a pixel the value
#   of its neighbour to the south-east, by "nearest" and by "linear": heights of 30 m pixels are those of a place 42 m away,
#   which on a slope of 20 degrees is up to 15 m of height. No error, no warning. With AREA_OR_POINT=Area the place of a value
#   is the upper left corner of its pixel, as geoutils describes it, and not the centre: half of that.
# Expected: the centre, which is what geoutils describes for Point. The geotransform that GDAL gives is that of areas for both
#   (GDAL raster data model, AREA_OR_POINT; GDAL RFC 33: of a Point file it is moved by half a pixel when it is read), so half a pixel
#   is to be added to its corner; geoutils takes it off.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check geoutils==0.2.5 rasterio==1.4.4 numpy==2.4.6
cat > look.py <<'PY'
import sys
import warnings

import geoutils
import numpy
import rasterio

warnings.simplefilter("ignore")
SIDE, PIXEL, WEST, NORTH = 20, 10, 500_000, 5_000_200
rows, columns = numpy.mgrid[:SIDE, :SIDE]
# Values that are the place of the centre of their pixel, in metres from the corner of the raster.
PLACES = {"east": (columns + 0.5) * PIXEL, "south": (rows + 0.5) * PIXEL}
ROW, COLUMN = 9, 5
CENTRE = (WEST + (COLUMN + 0.5) * PIXEL, NORTH - (ROW + 0.5) * PIXEL)
same = True
for kind, shift in (("Point", 1.0), ("Area", 0.5)):
    for name, values in PLACES.items():
        path = f"{kind}-{name}.tif"
        transform = rasterio.Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH)
        profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "float32", "crs": "EPSG:32633"}
        with rasterio.open(path, "w", transform=transform, **profile) as out:
            out.write(values.astype("float32"), 1)
            out.update_tags(AREA_OR_POINT=kind)
        with rasterio.open(path) as file:
            assert file.transform == transform and file.tags()["AREA_OR_POINT"] == kind
            assert (file.bounds.left, file.bounds.top) == (WEST, NORTH)
            expected = float(next(file.sample([CENTRE]))[0])
        raster = geoutils.Raster(path)
        assert raster.area_or_point == kind
        points = (numpy.array([CENTRE[0]]), numpy.array([CENTRE[1]]))
        found = {method: float(raster.interp_points(points, method=method)["z"].iloc[0]) for method in ("nearest", "linear")}
        x, y = (float(axis[0, 0]) for axis in raster.coords())
        by_index = tuple(float(one) for one in raster.ij2xy(0, 0))
        print(f"{kind}, metres to the {name}: at the centre of a pixel {expected} by rasterio, {found} by geoutils;",
              f"place of the first pixel {(x, y)}, {by_index}")
        same &= expected == (COLUMN + 0.5 if name == "east" else ROW + 0.5) * PIXEL
        same &= abs(found["linear"] - expected - shift * PIXEL) < 0.01
        same &= kind == "Area" or found["nearest"] - expected == PIXEL
        corner = PIXEL / 2 if kind == "Point" else 0
        same &= (x, y) == (WEST - corner, NORTH + corner)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
