#!/usr/bin/env bash
# A collection that says `"type": "Collection"` and a STAC version before 1.0.0-rc.1, as servers wrote them that were
# updated in part: the member came with 1.0.0-rc.1, and no earlier version forbids it.
#
# Versions: pystac 1.15.2.
# Seen: Collection.from_dict() of such a collection (0.9.0, 1.0.0-beta.1, 1.0.0-beta.2) raises STACTypeError: "... does not
#   represent a STACObject instance. 'type' attribute is Collection". Without the member it is read; from 1.0.0-rc.1 on
#   it is the other way round. Items, which always had a type, are read in all versions.
# Expected: the member that says what the object is does not keep it from being read.
# Exits 0 while this is so, 1 when it changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pystac==1.15.2
cat > look.py <<'PY'
import sys

import pystac

collection = {
    "id": "fields",
    "description": "Fields of one season",
    "license": "CC-BY-4.0",
    "extent": {
        "spatial": {"bbox": [[34.0, 0.1, 34.4, 0.8]]},
        "temporal": {"interval": [["2019-06-01T00:00:00Z", "2019-12-01T00:00:00Z"]]},
    },
    "links": [],
}
item = {
    "type": "Feature",
    "id": "field",
    "geometry": {"type": "Point", "coordinates": [34.2, 0.2]},
    "bbox": [34.2, 0.2, 34.2, 0.2],
    "properties": {"datetime": "2019-07-01T00:00:00Z"},
    "links": [],
    "assets": {},
}


def outcome(version, typed):
    body = {**collection, "stac_version": version, **({"type": "Collection"} if typed else {})}
    try:
        return pystac.Collection.from_dict(body).id
    except pystac.STACTypeError as error:
        return str(error).rpartition(". ")[2]


seen = {
    (version, typed): outcome(version, typed)
    for version in ("0.9.0", "1.0.0-beta.1", "1.0.0-beta.2", "1.0.0-rc.1", "1.0.0")
    for typed in (True, False)
}
for (version, typed), found in seen.items():
    print(f"{version:13} {'with' if typed else 'without'} type: {found}")
items = {pystac.Item.from_dict({**item, "stac_version": version}).id for version, _ in seen}
expected = {}
for version in ("0.9.0", "1.0.0-beta.1", "1.0.0-beta.2"):
    expected[version, True], expected[version, False] = "'type' attribute is Collection", "fields"
for version in ("1.0.0-rc.1", "1.0.0"):
    expected[version, True], expected[version, False] = "fields", "'type' attribute is not set"
sys.exit(seen != expected or items != {"field"})
PY
env/bin/python look.py
echo "as described"
