#!/usr/bin/env bash
# Times with microseconds in items that become stac-geoparquet: scenes of one orbit begin some of them apart, and
# `updated` tells two versions of an item apart.
#
# Versions: rustac 0.9.18, pyarrow 25.0.0.
# Seen: write() to Parquet cuts `datetime`, `created` and others to milliseconds, without an error: two items that are 543
#   microseconds apart have one time, in the file (timestamp[ms]) and when they are read back. To JSON and NDJSON the same
#   call writes all digits.
# Expected: the digits that the item has, as stac-geoparquet (its Python library) writes them, or an error.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rustac==0.9.18 pyarrow==25.0.0
cat > look.py <<'PY'
import asyncio
import os
import sys

import pyarrow.parquet
import rustac

TIMES = ["2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00.123999Z"]


def item(number, time):
    return {
        **{"type": "Feature", "stac_version": "1.1.0", "id": f"i{number}", "collection": "c"},
        **{"geometry": {"type": "Point", "coordinates": [1, 2]}, "bbox": [1, 2, 1, 2], "links": [], "assets": {}},
        "properties": {"datetime": time, "created": time},
    }


async def look():
    items = [item(number, time) for number, time in enumerate(TIMES)]
    found = {}
    for name in ("items.parquet", "items.ndjson"):
        await rustac.write(name, items)
        found[name] = [one["properties"]["datetime"] for one in (await rustac.read(name))["features"]]
        print(f"{name}: {found[name]}")
    kind = str(pyarrow.parquet.read_schema("items.parquet").field("datetime").type)
    print(f"in the file: {kind}")
    cut = found["items.parquet"] == ["2024-01-01T00:00:00.123Z"] * 2 and kind == "timestamp[ms, tz=UTC]"
    return cut and found["items.ndjson"] == TIMES


same = asyncio.run(look())
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)  # its threads may outlive the interpreter
PY
env/bin/python look.py
