#!/usr/bin/env bash
# xarray-spatial: the direction from each cell to the nearest source (direction()), such as the nearest water, road or training
# label, on a grid with coordinates; and the aspect of a grid whose y ascends, as GEBCO and other NetCDF grids have it.
#
# Versions: xarray-spatial 0.10.20 (Python 3.12 or later), xarray 2026.9.0.
# Seen: direction() gives 360, which is north, for a source in the south, and 180 for one in the north; north-east and south-east,
#   north-west and south-west are exchanged too. East and west are right. So for descending and for ascending y, and for all
#   three metrics. aspect() and northness() are right where y descends; where it ascends, a slope that falls to the
#   south faces north, though y says which end is north. aspect(method="geodesic") is right for both orders. No error, no warning.
# Expected: "90 is for the east, 180 for the south, 270 for the west, 360 for the north" (its own description of direction()); and
#   one aspect for one surface, in whichever order its rows are (0 is "due north" in the description of aspect()).
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
for python in python3 python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then break; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" -m venv env
env/bin/pip install --quiet --disable-pip-version-check xarray-spatial==0.10.20 numpy==2.5.5 xarray==2026.9.0 pyproj==3.7.2
cat > look.py <<'PY'
import sys
import warnings

import numpy
import xarray
from xrspatial import aspect, direction, northness

warnings.simplefilter("ignore")
SIDE, MIDDLE = 9, 4
COMPASS = {"north": 360, "north-east": 45, "east": 90, "south-east": 135, "south": 180, "south-west": 225, "west": 270, "north-west": 315}


def grid(is_ascending):
    rising = numpy.arange(float(SIDE))
    y = rising if is_ascending else rising[::-1]
    return xarray.DataArray(numpy.zeros((SIDE, SIDE)), dims=("y", "x"), coords={"y": y, "x": rising})


def at_the_middle(field):
    return round(float(field.sel(y=MIDDLE, x=MIDDLE)), 1)


assert "180 for the south" in direction.__doc__ and "360 for the north" in direction.__doc__
same = True
for is_ascending in (False, True):
    for metric in ("EUCLIDEAN", "GREAT_CIRCLE", "MANHATTAN"):
        found = {}
        for name, degrees in COMPASS.items():
            angle = numpy.radians(degrees)
            to_north, to_east = numpy.rint(3 * numpy.cos(angle)), numpy.rint(3 * numpy.sin(angle))
            sources = grid(is_ascending)
            sources.loc[{"y": MIDDLE + to_north, "x": MIDDLE + to_east}] = 1
            found[name] = at_the_middle(direction(sources, distance_metric=metric))
        print("y ascends," if is_ascending else "y descends,", metric, "direction to a source in the", found)
        same &= found == {name: (180 - degrees) % 360 or 360 for name, degrees in COMPASS.items()}
    surface = grid(is_ascending)
    surface = surface.copy(data=numpy.broadcast_to(1000.0 * surface.y.values[:, None], surface.shape).copy())
    planar, geodesic = at_the_middle(aspect(surface)), at_the_middle(aspect(surface, method="geodesic"))
    share = at_the_middle(northness(surface))
    print("  a slope that falls to the south: aspect", planar, "geodesic", geodesic, "northness", share)
    same &= geodesic == 180
    same &= (planar, share) == ((0, 1) if is_ascending else (180, -1))
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
