#!/usr/bin/env bash
# pgstac: a null in an asset, where the collection has another value for that asset in its item_assets: a chip without a
# nodata value in a collection of images with one, or one whose resolution is not known.
#
# Versions: pypgstac 0.10.0 with its own schema in PostgreSQL with PostGIS (the newest here; seen with 15.18, 3.3.2).
# Seen: the item says "nodata": null and "gsd": null. search() and get_item() give it with "nodata": 0 and "gsd": 10, the values of
#   item_assets, without an error: what an item has in common with its collection is not stored, and nulls are not either,
#   so that they look the same when the item is put together again. Other values, and members that the item lacks
#   (which get a mark), come back as they were. Whoever masks by nodata then masks zeros that are data.
# Expected: null, or no such member, but not a value that the item contradicts.
# Exits 0 while this is so, 1 when it changes, 77 where there is no PostgreSQL with PostGIS.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if [ -z "$bin" ] || ! compgen -G '/usr/share/postgresql/*/extension/postgis.control' >/dev/null; then
    echo "PostgreSQL with PostGIS is not installed: apt-get install postgresql postgresql-postgis" >&2
    exit 77
fi
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
work=$(mktemp -d)
trap 'as_postgres "$bin/pg_ctl" -D "$work/data" stop -m immediate >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
chmod 755 "$work" && mkdir "$work/data" "$work/socket"
[ "$(id -u)" != 0 ] || chown postgres "$work/data" "$work/socket"
as_postgres "$bin/initdb" -D "$work/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 >/dev/null
as_postgres "$bin/pg_ctl" -D "$work/data" -l "$work/data/log" -w start \
    -o "-c listen_addresses= -c unix_socket_directories=$work/socket -c fsync=off" >/dev/null
export PGHOST="$work/socket" PGUSER=postgres PGDATABASE=pgstac
psql -q -d postgres -c 'CREATE DATABASE pgstac'
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check 'pypgstac[psycopg]==0.10.0'
"$work/env/bin/pypgstac" migrate

cat >"$work/collections.ndjson" <<'JSON'
{"type": "Collection", "stac_version": "1.1.0", "id": "c", "description": "c", "license": "CC0-1.0", "links": [], "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}}, "item_assets": {"image": {"type": "image/tiff", "nodata": 0, "gsd": 10}}}
JSON
for assets in null:'"type": "image/tiff", "nodata": null, "gsd": null' other:'"type": "image/tiff", "nodata": 255, "gsd": 20' \
    lacking:'"type": "image/tiff"'; do
    printf '{"type": "Feature", "stac_version": "1.1.0", "id": "%s", "collection": "c", "geometry": {"type": "Point", "coordinates": [1, 2]}, "bbox": [1, 2, 1, 2], "properties": {"datetime": "2020-06-01T00:00:00Z"}, "links": [], "assets": {"image": {"href": "https://chips.example/1.tif", %s}}}\n' \
        "${assets%%:*}" "${assets#*:}"
done >"$work/items.ndjson"
"$work/env/bin/pypgstac" load collections "$work/collections.ndjson" --method insert
"$work/env/bin/pypgstac" load items "$work/items.ndjson" --method insert

export PGOPTIONS='-c search_path=pgstac,public'
cat >"$work/look.py" <<'PY'
import json
import subprocess
import sys


def ask(expression):
    return json.loads(subprocess.check_output(["psql", "-qAt", "-c", f"SELECT {expression}"]))


def values(item):
    image = item["assets"]["image"]
    return [image.get(name, "-") for name in ("nodata", "gsd")]


def by_id(answer):
    return {one["id"]: one for one in answer["features"]}


searched = by_id(ask("search('{}')"))
found = {name: [values(searched[name]), values(ask(f"get_item('{name}', 'c')"))] for name in sorted(searched)}
for name, (by_search, by_get) in found.items():
    stored = ask(f"content->'assets'->'image' FROM pgstac.items WHERE id = '{name}'")
    print(f"{name}: search() {by_search}, get_item() {by_get}, stored {stored}")
same = found == {"lacking": [["-", "-"]] * 2, "null": [[0, 10]] * 2, "other": [[255, 20]] * 2}
print("as described" if same else "CHANGED: this finding is out of date")
sys.exit(not same)
PY
"$work/env/bin/python" "$work/look.py"
