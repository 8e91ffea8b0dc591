#!/usr/bin/env bash
# rustac: the classes of a label raster, which STAC 1.0 has in the band (classification:classes in raster:bands), in an item that
# is brought to STAC 1.1.
#
# Versions: rustac 0.9.18; @radiantearth/stac-migrate 2.1.0 (npm; Node.js 20) as a comparison.
# Seen: migrate(item, "1.1.0") makes `bands` of raster:bands, and names the classes raster:classification:classes there: no
#   reader looks for that, and the names of the classes are gone for it. So with classification:bitfields, and with fields of
#   other extensions in eo:bands. scale and offset become raster:scale and raster:offset, as they have to. The list of
#   extensions stays as it was, with versions 1.1.0 of eo and raster, whose fields have other names. No error, no warning.
#   stac-migrate leaves fields with a prefix as they are, and changes the list.
# Expected: classification:classes in the band, where the classification extension (1.1 and 2.0) has it in `bands` too: the
#   field has its prefix already.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @radiantearth/stac-migrate@2.1.0 >/dev/null
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check rustac==0.9.18
cat > by_migrate.mjs <<'JS'
import { readFileSync } from 'node:fs';
import migrate from '@radiantearth/stac-migrate';

console.log(JSON.stringify(migrate.item(JSON.parse(readFileSync('item.json')), null)));
JS
cat > look.py <<'PY'
import json
import os
import subprocess
import sys

import rustac

EXTENSIONS = ["eo/v1.1.0", "raster/v1.1.0", "classification/v1.1.0"]
classes = [{"value": 0, "name": "none", "description": "No crop"}, {"value": 1, "name": "maize", "description": "Maize"}]
item = {
    **{"type": "Feature", "stac_version": "1.0.0", "id": "labels", "links": []},
    "stac_extensions": [f"https://stac-extensions.github.io/{one}/schema.json" for one in EXTENSIONS],
    **{"geometry": {"type": "Point", "coordinates": [36, 1]}, "bbox": [36, 1, 36, 1]},
    "properties": {"datetime": "2023-01-01T00:00:00Z"},
    "assets": {
        "labels": {
            "href": "./labels.tif",
            "raster:bands": [{"data_type": "uint8", "scale": 1.0, "classification:classes": classes}],
        }
    },
}
with open("item.json", "w") as file:
    json.dump(item, file)
by_rust = rustac.migrate(item, "1.1.0")
by_node = json.loads(subprocess.run(["node", "by_migrate.mjs"], check=True, capture_output=True).stdout)
bands = {}
for name, found in (("rustac", by_rust), ("stac-migrate", by_node)):
    (bands[name],) = found["assets"]["labels"]["bands"]
    print(f"{name}: STAC {found['stac_version']}, {[one.split('/', 3)[3] for one in found['stac_extensions']]}")
    print(f"  band: {bands[name]}")
same = (
    by_rust["stac_version"] == by_node["stac_version"] == "1.1.0"
    and bands["rustac"].get("raster:classification:classes") == classes
    and "classification:classes" not in bands["rustac"]
    and bands["rustac"]["raster:scale"] == 1
    and by_rust["stac_extensions"] == item["stac_extensions"]
    and bands["stac-migrate"]["classification:classes"] == classes
    and "raster/v2.0.0" in " ".join(by_node["stac_extensions"])
)
print("as described" if same else "CHANGED: this finding is out of date")
sys.stdout.flush()
os._exit(0 if same else 1)
PY
env/bin/python look.py
