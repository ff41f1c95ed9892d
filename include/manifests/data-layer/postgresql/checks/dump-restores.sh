#!/bin/sh
# A backup is worth what it restores: rows are dumped as the nightly backup does it, lost, restored and compared.
set -eu

schema="check_dump_$(date +%s)_$$"
started=$(date +%s)
file=/tmp/$schema.dump

fail() { echo "dump-restores: $1" >&2; exit 1; }
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command "$1"; }
cleanup() { sql "DROP SCHEMA IF EXISTS $schema CASCADE" >/dev/null 2>&1 || true; rm -f "$file"; }
trap cleanup EXIT
fingerprint() { sql "SELECT count(*) || ' ' || md5(string_agg(number || text, ',' ORDER BY number)) FROM $schema.rows"; }

said=$(sql "CREATE SCHEMA $schema; CREATE TABLE $schema.rows (number integer PRIMARY KEY, text text);
  INSERT INTO $schema.rows SELECT n, md5(n::text) FROM generate_series(1, $ROWS) AS n" 2>&1) \
  || fail "no rows could be made at $PGHOST: $said. Look at pod data/postgresql-0"
before=$(fingerprint)

pg_dump --format=custom --schema="$schema" --file="$file" 2>/tmp/error || fail "pg_dump: $(cat /tmp/error)"
bytes=$(wc -c <"$file" | tr -d ' ')
echo "dumped $ROWS rows, $bytes bytes"
sql "DROP SCHEMA $schema CASCADE" 2>/dev/null
[ "$(sql "SELECT count(*) FROM pg_namespace WHERE nspname = '$schema'")" = 0 ] || fail "the rows could not be taken away"

pg_restore --exit-on-error --dbname="$PGDATABASE" "$file" 2>/tmp/error || fail "pg_restore: $(cat /tmp/error)"
after=$(fingerprint)
[ "$after" = "$before" ] || fail "restored rows and their fingerprint are $after, before the dump they were $before"
echo "restored the same rows"
echo "{\"check\":\"dump-restores\",\"rows\":${after%% *},\"bytes\":$bytes,\"seconds\":$(($(date +%s) - started))}"
