#!/bin/sh
# Writes ROWS rows in one transaction to a table of its own, reads them back in another connection, over TLS.
set -eu

table="check_$(date +%s)_$$"
started=$(date +%s)

fail() { echo "write-read: $1" >&2; exit 1; }

# In a file, because a command line can be read by others.
umask 077
cat >/tmp/client.cnf <<CONFIG
[client]
user=checks
password=$MYSQL_CHECKS_PASSWORD
host=$MYSQL_HOST
port=${MYSQL_TCP_PORT:-3306}
protocol=tcp
connect-timeout=10
default-character-set=utf8mb4
CONFIG
query() { mysql --defaults-extra-file=/tmp/client.cnf --batch --skip-column-names slipway_checks; }
cleanup() { echo "DROP TABLE IF EXISTS $table;" | query || echo "could not drop table $table" >&2; }

status=$(echo "SHOW SESSION STATUS LIKE 'Ssl_cipher';" | query) \
  || fail "no connection to $MYSQL_HOST as user checks; look at the pod app.kubernetes.io/name=mysql and at Secret mysql-auth"
cipher=$(echo "$status" | awk '{ print $2 }')
[ -n "$cipher" ] || fail "the connection is not encrypted"
echo "connected over TLS ($cipher)"

trap cleanup EXIT
{
  echo "CREATE TABLE $table (number INT PRIMARY KEY, text CHAR(64) NOT NULL) ENGINE=InnoDB CHARSET=utf8mb4;"
  echo "START TRANSACTION;"
  seq 1 "$ROWS" | awk -v table="$table" '{ printf "INSERT INTO %s VALUES (%d, SHA2(%d, 256));\n", table, $1, $1 }'
  echo "COMMIT;"
} | query || fail "writing $ROWS rows to slipway_checks.$table failed"
echo "wrote $ROWS rows"

read_back=$(echo "SELECT COUNT(*) FROM $table WHERE text = SHA2(number, 256);" | query) || fail "reading $table failed"
sum=$(echo "SELECT SUM(number) FROM $table;" | query)
[ "$read_back" = "$ROWS" ] || fail "wrote $ROWS rows, read ${read_back:-none} of them unchanged"
[ "$sum" = $((ROWS * (ROWS + 1) / 2)) ] || fail "the rows add up to $sum, expected $((ROWS * (ROWS + 1) / 2))"
echo "read the same $read_back rows back"
echo "{\"check\":\"write-read\",\"written\":$ROWS,\"read\":$read_back,\"tls\":\"$cipher\",\"seconds\":$(($(date +%s) - started))}"
