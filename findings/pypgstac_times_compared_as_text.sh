#!/usr/bin/env bash
# pypgstac load: items of one file whose times are written in more than one form of RFC 3339, such as 00:00:00Z beside
# 00:00:00.5Z, or UTC beside an offset.
#
# Versions: pypgstac 0.10.0 with its own schema in PostgreSQL with PostGIS (the newest here; seen with 15.18, 3.3.2).
# Seen: the loader finds the earliest and the latest time of a partition by comparing them as text, where "." is before "Z" and
#   01:00:00+02:00 after 00:00:00Z, and lays a CHECK of that range on the partition. The items that are out of it in
#   truth are refused by the database then (CheckViolation), and with them the whole file: nothing is loaded, however
#   often it is tried. The first three load one file each, and together once all are of one precision.
# Expected: all three items, whatever the order and the form of their times: the database itself compares them right.
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

collection() { # an empty collection of this name
    printf '{"type": "Collection", "stac_version": "1.1.0", "id": "%s", "description": "c", "license": "CC0-1.0", "links": [], "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}}}\n' "$1" >"$work/$1.ndjson"
    "$work/env/bin/pypgstac" load collections "$work/$1.ndjson" --method insert
}
items() { # an item for each time, in a collection
    local name=$1 time
    shift
    for time; do
        printf '{"type": "Feature", "stac_version": "1.1.0", "id": "%s", "collection": "%s", "geometry": {"type": "Point", "coordinates": [1, 2]}, "bbox": [1, 2, 1, 2], "properties": {"datetime": "%s"}, "links": [], "assets": {}}\n' "$time" "$name" "$time"
    done
}
cat >"$work/load.py" <<'PY'
import sys

import psycopg
import tenacity
from pypgstac.db import PgstacDB
from pypgstac.load import Loader, Methods

Loader.load_partition.retry.stop = tenacity.stop_after_attempt(1)  # it tries for minutes, always the same
try:
    Loader(db=PgstacDB()).load_items(sys.argv[1], insert_mode=Methods.insert)
except (psycopg.Error, tenacity.RetryError) as error:
    cause = error.last_attempt.exception() if isinstance(error, tenacity.RetryError) else error
    print(type(cause).__name__)
PY
load() { "$work/env/bin/python" "$work/load.py" "$1" 2>/dev/null | tail -n 1; }
count() { psql -qAt -c "SELECT count(*) FROM pgstac.items WHERE collection = '$1'"; }
export PGOPTIONS='-c search_path=pgstac,public'

found=
look() { # a name, and the times of its items
    local name=$1 said
    shift
    collection "$name"
    items "$name" "$@" >"$work/items.ndjson"
    said=$(load "$work/items.ndjson")
    echo "$name: $* -> $(count "$name") of $# items ${said:+($said)}"
    found+="$name $(count "$name") ${said:-fine}; "
}
look fractions 2020-06-01T00:00:00Z 2020-06-01T00:00:00.5Z 2020-06-02T00:00:00Z
look offsets 2020-06-01T00:00:00Z 2020-06-01T01:00:00+02:00 2020-06-03T00:00:00Z
look plain 2020-06-01T00:00:00.0Z 2020-06-01T00:00:00.5Z 2020-06-02T00:00:00.0Z
collection apart
for time in 2020-06-01T00:00:00Z 2020-06-01T00:00:00.5Z 2020-06-02T00:00:00Z; do
    items apart "$time" >"$work/items.ndjson"
    load "$work/items.ndjson"
done
echo "apart, a file for each: $(count apart) of 3 items"
found+="apart $(count apart)"
if [ "$found" = "fractions 0 CheckViolation; offsets 0 CheckViolation; plain 3 fine; apart 3" ]; then
    echo "as described"
else
    echo "CHANGED: this finding is out of date"
    exit 1
fi
