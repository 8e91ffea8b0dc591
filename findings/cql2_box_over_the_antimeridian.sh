#!/usr/bin/env bash
# cql2 (Python package of cql2-rs, which evaluates filters on STAC items): a BBOX over the antimeridian, whose west is
# greater than its east, as RFC 7946 5.2 has it, and with it the bbox of STAC and OGC API - Features.
#
# Versions: cql2 0.6.0.
# Seen: S_INTERSECTS(geometry, BBOX(179, -2, -179, -1)) is taken for the box from 179 west to 179 east: a point in Kenya
#   matches, and the points at 179.5 east and west, which are in the box, do not. S_WITHIN and S_DISJOINT are turned round
#   in the same way, as is CQL2 JSON. No error. A filter on Fiji gives all at its latitudes but Fiji.
#   A box on one side is right.
# Expected: 179.5 east and west match, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check cql2==0.6.0
cat > look.py <<'PY'
import sys

import cql2

POINTS = {"Kenya": 37.0, "179.5 E": 179.5, "179.5 W": -179.5}
OVER, BESIDE = [179, -2, -179, -1], [179, -2, 180, -1]


def matching(function, box, form):
    if form == "text":
        expression = cql2.parse_text(f"{function}(geometry, BBOX({', '.join(map(str, box))}))")
    else:
        arguments = [{"property": "geometry"}, {"bbox": box}]
        expression = cql2.Expr({"op": function.lower(), "args": arguments})
    items = (
        (name, {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, -1.5]}, "properties": {}})
        for name, x in POINTS.items()
    )
    return [name for name, item in items if expression.matches(item)]


same = True
for form in ("text", "json"):
    for function, expected in (
        ("S_INTERSECTS", ["Kenya"]),
        ("S_WITHIN", ["Kenya"]),
        ("S_DISJOINT", ["179.5 E", "179.5 W"]),
    ):
        found = matching(function, OVER, form)
        print(f"{form}: {function}(geometry, BBOX{tuple(OVER)}) matches {found}")
        same &= found == expected
    found = matching("S_INTERSECTS", BESIDE, form)
    print(f"{form}: S_INTERSECTS(geometry, BBOX{tuple(BESIDE)}) matches {found}")
    same &= found == ["179.5 E"]
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
env/bin/python look.py
