#!/usr/bin/env bash
# pgstac_up.sh FOLDER COLLECTIONS.ndjson ITEMS.ndjson API_PORT DATABASE_PORT
# Starts PostgreSQL with pgstac 0.10.0 and stac-fastapi.pgstac on loopback, with these documents in it.
# pgstac_up.sh FOLDER --install   installs the packages only: PostGIS by apt (as root), the others by pip.
# pgstac_up.sh FOLDER --stop      ends both.
# Exit code 77: PostgreSQL with PostGIS cannot be had here.
set -euo pipefail

folder=$1
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
postgis() { compgen -G '/usr/share/postgresql/*/extension/postgis.control' >/dev/null; }
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

stop() {
    [ ! -f "$folder/api.pid" ] || kill "$(cat "$folder/api.pid")" 2>/dev/null || true
    rm -f "$folder/api.pid"
    [ ! -f "$folder/database/postmaster.pid" ] || as_postgres "$bin/pg_ctl" -D "$folder/database" stop -m fast >/dev/null
}

install() {
    if [ -z "$bin" ] || ! postgis; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 77
        apt-get update -qq >/dev/null
        apt-get install -y -qq --no-install-recommends postgresql postgresql-postgis >/dev/null ||
            apt-get install -y -qq --no-install-recommends postgresql-15 postgresql-15-postgis-3 >/dev/null || exit 77
        bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    fi
    if [ ! -x "$folder/venv/bin/uvicorn" ]; then
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install -q 'pypgstac[psycopg]==0.10.0' 'stac-fastapi.pgstac==7.2.0' 'uvicorn==0.54.0'
    fi
}

mkdir -p "$folder"
case ${2-} in
    --stop) stop && exit 0 ;;
    --install) install && exit 0 ;;
esac
install
collections=$2 items=$3 port=$4
export PGHOST=127.0.0.1 PGPORT=$5 PGUSER=postgres PGPASSWORD=none PGDATABASE=pgstac
rm -rf "$folder/database"
mkdir -p "$folder/database"
[ "$(id -u)" != 0 ] || chown postgres "$folder/database"
as_postgres "$bin/initdb" -D "$folder/database" -A trust -U postgres -E UTF8 --locale=C.UTF-8 >/dev/null
as_postgres "$bin/pg_ctl" -D "$folder/database" -l "$folder/database/log" -w start -o \
    "-p $PGPORT -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_locks_per_transaction=256" >/dev/null
psql -q -d postgres -c 'CREATE DATABASE pgstac'
pypgstac="$folder/venv/bin/pypgstac"
"$pypgstac" migrate >/dev/null
psql -q -c "UPDATE pgstac.pgstac_settings SET value = 'on' WHERE name = 'context'"
"$pypgstac" load collections "$collections" --method insert
"$pypgstac" load items "$items" --method insert
"$folder/venv/bin/uvicorn" --factory stac_fastapi.pgstac.app:create_app --host 127.0.0.1 --port "$port" \
    --log-level warning >"$folder/api.log" 2>&1 </dev/null &
echo $! >"$folder/api.pid"
for _ in $(seq 300); do
    ! curl -sf -o /dev/null "http://127.0.0.1:$port/" || exit 0
    sleep 0.2
done
cat "$folder/api.log" >&2
exit 1
