#!/usr/bin/env bash
# h3ronpy: a raster that lies over the antimeridian, whose longitudes go on beyond 180 degrees, as GDAL lays the grid of such a
# scene: Fiji, the Aleutians, Chukotka.
#
# Versions: h3ronpy 0.22.0, h3 4.5.0 (which gives the place of each cell).
# Seen: raster_to_dataframe() of ten columns from 179.95 to 180.05 gives cells on both sides, and those east of 180 all have the
#   value of the first column at the west end: half of the raster is wrong, and the values of five columns are nowhere.
#   Of a raster that lies beyond 180 altogether (185 to 185.1) there are no cells. No error, no warning. Of one from 170
#   on all cells are right.
# Expected: the values at the places of the cells: the cell at -179.975 lies in the column from 180.02 to 180.03; or an error,
#   as there is one for a raster at 360 degrees.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check h3ronpy==0.22.0 h3==4.5.0 affine==3.0.1 pyarrow==26.0.1 numpy==2.4.6
cat > look.py <<'PY'
import sys
from collections import Counter

import h3
import numpy
from affine import Affine
from h3ronpy.raster import raster_to_dataframe

COLUMNS, SIZE = 10, 0.01
values = numpy.tile(numpy.arange(COLUMNS, dtype="int16") + 1, (COLUMNS, 1))  # the number of its column in each pixel


def columns(west):
    """Gives for each column of the raster the values of the cells in it, and how many there are of each."""
    table = raster_to_dataframe(values, Affine(SIZE, 0, west, 0, -SIZE, 1), 9, compact=False)
    found = Counter()
    for cell, value in zip(table["cell"].to_pylist(), table["value"].to_pylist()):
        _, longitude = h3.cell_to_latlng(h3.int_to_str(cell))
        found[int(((longitude - west) % 360) // SIZE) + 1, value] += 1
    return dict(sorted(found.items()))


inside, over, beyond = columns(170.0), columns(179.95), columns(185.0)
for west, found in ((170.0, inside), (179.95, over), (185.0, beyond)):
    print(f"west {west}: (column, value): number of cells {found}")
same = (
    list(inside) == [(column, column) for column in range(1, 11)]
    and list(over) == [(column, column if column <= 5 else 1) for column in range(1, 11)]
    and min(over.values()) > 100
    and beyond == {}
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
