"""Asks PostGIS for ST_Intersects of each pair of `support.shapes`; libpq's variables name the database.

    python tests/counterparts/record_intersections.py [--check]

Writes tests/support/data/intersections.json, or with --check compares it: exit code 1 if it differs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.shapes import RECORDED, recorded, shape_pairs


def main() -> int:
    shape = "ST_GeomFromGeoJSON('{}')".format
    pairs = [f"ST_Intersects({shape(json.dumps(a))}, {shape(json.dumps(b))})" for a, b in shape_pairs()]
    question = "SELECT " + " UNION ALL SELECT ".join(f"{number}, {one}" for number, one in enumerate(pairs))
    answer = subprocess.run(["psql", "-qAt", "-c", question], check=True, capture_output=True, text=True)
    rows = dict(line.split("|") for line in answer.stdout.split())
    found = [rows[str(number)] == "t" for number in range(len(pairs))]
    if "--check" in sys.argv:
        return int(found != recorded())
    RECORDED.write_text(json.dumps(found) + "\n")
    print(f"{sum(found)} of {len(found)} intersect")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
