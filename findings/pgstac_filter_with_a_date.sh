#!/usr/bin/env bash
# A comparison with a DATE in a CQL2 filter, as pgstac treats it: `datetime > DATE('2020-05-01')`, which the CQL2
# standard (OGC 21-065r2) writes {"op": ">", "args": [{"property": "datetime"}, {"date": "2020-05-01"}]} in JSON.
#
# Versions: pypgstac 0.10.0 with its own schema in PostgreSQL with PostGIS (the newest here; seen with 15.18, 3.3.2).
# Seen: search() finds none of two items, of which one is of 2020-06-01, and raises no error: the literal becomes
#   NULL. The same comparison with a timestamp finds that item, and so does T_AFTER with the same date.
# Expected: that item, or an error as for other literals that pgstac does not know ({"bbox": ...}, {"interval": ...}).
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
{"type": "Collection", "stac_version": "1.0.0", "id": "c", "description": "c", "license": "CC0-1.0", "links": [], "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[null, null]]}}}
JSON
cat >"$work/items.ndjson" <<'JSON'
{"type": "Feature", "stac_version": "1.0.0", "id": "april", "collection": "c", "geometry": {"type": "Point", "coordinates": [1, 2]}, "bbox": [1, 2, 1, 2], "properties": {"datetime": "2020-04-01T00:00:00Z"}, "links": [], "assets": {}}
{"type": "Feature", "stac_version": "1.0.0", "id": "june", "collection": "c", "geometry": {"type": "Point", "coordinates": [1, 2]}, "bbox": [1, 2, 1, 2], "properties": {"datetime": "2020-06-01T00:00:00Z"}, "links": [], "assets": {}}
JSON
"$work/env/bin/pypgstac" load collections "$work/collections.ndjson" --method insert
"$work/env/bin/pypgstac" load items "$work/items.ndjson" --method insert

found() { # the ids that an operator finds, given the second argument
    psql -qAt -c "SELECT coalesce(string_agg(one->>'id', ' '), '-') FROM jsonb_array_elements(pgstac.search(
        '{\"filter-lang\": \"cql2-json\", \"filter\": {\"op\": \"$1\", \"args\": [{\"property\": \"datetime\"}, $2]}}'
        )->'features') one"
}
export PGOPTIONS='-c search_path=pgstac,public'
echo "pgstac $("$work/env/bin/pypgstac" version | tail -n 1)"
by_date=$(found '>' '{"date": "2020-05-01"}')
by_time=$(found '>' '{"timestamp": "2020-05-01T00:00:00Z"}')
after=$(found t_after '{"date": "2020-05-01"}')
echo "datetime > DATE('2020-05-01'):                      $by_date"
echo "datetime > TIMESTAMP('2020-05-01T00:00:00Z'):       $by_time"
echo "T_AFTER(datetime, DATE('2020-05-01')):              $after"
if [ "$by_date $by_time $after" = "- june june" ]; then echo "as described"; else
    echo "CHANGED: this finding is out of date"
    exit 1
fi
