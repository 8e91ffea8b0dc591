"""Makes the coastlines of maps from land-110m.json of the npm package world-atlas (`npm pack world-atlas`).

python docs/images/coastlines.py package/land-110m.json > mlhub_async/api/pages/charts/land.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

UNITS = 10
"""Of the path per degree: a tenth of a degree is finer than the scale of the data."""
WORLD = 360 * UNITS

SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1800 -900 3600 1800">
<!-- Land of the world at 1:110,000,000: Natural Earth (naturalearthdata.com), public domain.
Taken from the npm package world-atlas {version}, Copyright 2013-2019 Michael Bostock, ISC licence:
Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies.
Made by docs/images/coastlines.py. The unit is a tenth of a degree, y points south; what crosses the
antimeridian goes on beyond 1800. -->
<path fill-rule="evenodd" d="{path}"/>
</svg>"""

Point = tuple[int, int]


def rings(topology: dict[str, Any]) -> Iterator[list[Point]]:
    """The rings of the land, each point once, in the unit of the path."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        points = accumulate(arc, lambda a, b: [a[0] + b[0], a[1] + b[1]])
        arcs.append([(round((x * sx + tx) * UNITS), round(-(y * sy + ty) * UNITS)) for x, y in points])
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"]:
            for ring in polygon:
                parts = (arcs[number] if number >= 0 else arcs[~number][::-1] for number in ring)
                yield unwrapped(list(dict.fromkeys(point for part in parts for point in part)))


def unwrapped(ring: list[Point]) -> list[Point]:
    """A ring over the antimeridian goes on beyond it; one around a pole is closed there.

    A map draws the path three times, a turn of the world apart.
    """
    found, turn = [ring[0]], 0
    for (before, _), (x, y) in pairwise([*ring, ring[0]]):
        turn += WORLD * ((x - before < -WORLD // 2) - (x - before > WORLD // 2))
        found.append((x + turn, y))
    if found[-1] == found[0]:
        middle = (min(found)[0] + max(found)[0]) // 2
        home = round(middle / WORLD) * WORLD
        return [(x - home, y) for x, y in found[:-1]]
    pole = WORLD // 4 if found[0][1] > 0 else -WORLD // 4
    return [*found, (found[-1][0], pole), (found[0][0], pole)]


def path_of(points: list[Point]) -> str:
    """The first point, then the way to each next one."""
    (x, y), rest = points[0], zip(points[1:], points, strict=False)
    return f"M{x} {y}l" + "".join(f" {a - c} {b - d}" for (a, b), (c, d) in rest).strip() + "z"


if __name__ == "__main__":
    source = Path(sys.argv[1])
    path = "".join(path_of(ring) for ring in rings(json.loads(source.read_text())) if len(ring) > 2)
    version = json.loads((source.parent / "package.json").read_text())["version"]
    print(SVG.format(version=version, path=path.replace(" -", "-")))
