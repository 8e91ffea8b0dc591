#!/usr/bin/env bash
# morecantile: the tiles of a box in a tile matrix set whose rows have fewer and wider tiles towards the poles
# (variableMatrixWidths), such as CDB1GlobalGrid and GNOSISGlobalGrid, which come with it.
#
# Versions: morecantile 7.1.0.
# Seen: tiles() gives no tile at all for the box of 0.02 degrees around a place of which tile() gives one, where the west end of
#   the box is not in the first of the narrow columns that the wide tile stands for: of a quarter to a third of all places. Of
#   larger boxes the tile at the west end is missing. No error. With WebMercatorQuad and WorldCRS84Quad no tile is missing.
# Expected: tiles() "overlapped by a geographic bounding box", as its documentation says: the one that tile() gives among them
#   (OGC 17-083r4, on variable width tile matrices).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check morecantile==7.1.0
cat > look.py <<'PY'
import sys

import morecantile

PLACES = [(lon, lat) for lon in range(-175, 180, 10) for lat in range(-80, 81, 5)]
EDGE = 0.01
missing = {}
for name in ("CDB1GlobalGrid", "GNOSISGlobalGrid", "WebMercatorQuad", "WorldCRS84Quad"):
    grid = morecantile.tms.get(name)
    lost = []
    for lon, lat in ((lon + 0.3, lat + 0.1) for lon, lat in PLACES):
        tile = grid.tile(lon, lat, 2)
        bounds = grid.bounds(tile)
        assert bounds.left <= lon <= bounds.right and bounds.bottom <= lat <= bounds.top, tile
        if tile not in list(grid.tiles(lon - EDGE, lat - EDGE, lon + EDGE, lat + EDGE, 2)):
            lost.append((lon, lat))
    missing[name] = len(lost)
    print(f"{name}: the tile of {len(lost)} of {len(PLACES)} places is missing, such as of {lost[:1]}")
grid = morecantile.tms.get("GNOSISGlobalGrid")
small, large = list(grid.tiles(-145.41, -83.96, -145.39, -83.94, 2)), list(grid.tiles(-145, -84, 145, -80, 2))
print("GNOSISGlobalGrid: tile of (-145.4, -83.95)", grid.tile(-145.4, -83.95, 2), "tiles of a box there", small)
print("  of the box from -145 to 145:", [(tile.x, grid.bounds(tile)[::2]) for tile in large])
same = (
    all(missing[name] > len(PLACES) / 10 for name in ("CDB1GlobalGrid", "GNOSISGlobalGrid"))
    and missing["WebMercatorQuad"] == missing["WorldCRS84Quad"] == 0
    and small == []
    and grid.tile(-145.4, -83.95, 2).x == 0
    and 0 not in [tile.x for tile in large]
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
