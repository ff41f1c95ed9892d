#!/bin/sh
# Commits ROWS rows in one transaction, durably, and reads every one of them back over another connection.
set -eu

table="check_write_read_$(date +%s)_$$"
started=$(date +%s)

fail() { echo "write-read: $1" >&2; exit 1; }
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command "$1"; }
cleanup() { sql "DROP TABLE IF EXISTS $table" >/dev/null 2>&1 || true; }
trap cleanup EXIT

settings=$(sql "SELECT current_setting('fsync') || ',' || current_setting('synchronous_commit') || ',' || current_setting('full_page_writes') || ',' || current_setting('data_checksums')" 2>&1) \
  || fail "no connection to $PGHOST as $PGUSER: $settings. Look at pod data/postgresql-0, its container roles, and the network policy postgresql"
[ "$settings" = on,on,on,on ] || fail "fsync, synchronous_commit, full_page_writes and data_checksums are $settings, all must be on: a crash could lose or corrupt committed rows"

said=$(sql "BEGIN; CREATE TABLE $table (number integer PRIMARY KEY, text text NOT NULL);
  INSERT INTO $table SELECT n, md5(n::text) FROM generate_series(1, $ROWS) AS n; COMMIT" 2>&1) \
  || fail "the rows could not be written: $said. Is the volume full (alert VolumeFilling), or the server in recovery?"
echo "committed $ROWS rows"

found=$(sql "SELECT count(*) || ' ' || coalesce(sum(number), 0) || ' ' || count(*) FILTER (WHERE text = md5(number::text)) FROM $table" 2>&1) \
  || fail "the rows could not be read back: $found"
expected="$ROWS $((ROWS * (ROWS + 1) / 2)) $ROWS"
[ "$found" = "$expected" ] || fail "rows, their sum, and unchanged rows are $found, expected $expected"
echo "read the same $ROWS rows back over another connection"
version=$(sql "SHOW server_version")
echo "{\"check\":\"write-read\",\"written\":$ROWS,\"read\":${found%% *},\"server_version\":\"${version%% *}\",\"seconds\":$(($(date +%s) - started))}"
