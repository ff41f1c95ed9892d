#!/bin/bash
# Fills an empty data folder (root's password, one database and user, /docker-entrypoint-initdb.d), then starts mysqld.
# The variables are those of the upstream image: MYSQL_ROOT_PASSWORD, MYSQL_ROOT_HOST, MYSQL_DATABASE, MYSQL_USER and
# MYSQL_PASSWORD, each also as NAME_FILE. Scripts are sourced and may call docker_process_sql.
set -euo pipefail

log() { echo "[entrypoint] $*"; }

# from_file NAME: NAME is what is in the file that NAME_FILE names
from_file() {
  local file="${1}_FILE"
  [ -z "${!file:-}" ] || export "$1"="$(cat "${!file}")"
}

setting() { mysqld --verbose --help --log-bin-index="$(mktemp -u)" 2>/dev/null | awk -v name="$1" '$1 == name { print $2; exit }'; }

# SQL from standard input, as root over the temporary server's socket. The password goes by a file descriptor.
docker_process_sql() {
  mysql --defaults-extra-file=<(printf '[client]\nuser=root\npassword="%s"\n' "${root_now:-}") \
    --protocol=socket --socket="$socket" --comments "$@"
}

initialise() {
  local datadir=$1
  from_file MYSQL_ROOT_PASSWORD; from_file MYSQL_PASSWORD
  : "${MYSQL_ROOT_PASSWORD:?or MYSQL_ROOT_PASSWORD_FILE is needed to fill an empty data folder}"
  log "filling $datadir"
  mkdir -p "$datadir"
  mysqld --initialize-insecure --datadir="$datadir"
  socket=/var/run/mysqld/mysqld.sock
  mysqld --datadir="$datadir" --skip-networking --mysqlx=OFF --socket="$socket" &
  local server=$! try=0
  root_now=""
  until docker_process_sql --database=mysql --execute='SELECT 1' >/dev/null 2>&1; do
    try=$((try + 1))
    [ "$try" -lt 60 ] && kill -0 "$server" || { log "the temporary server did not come up"; exit 1; }
    sleep 1
  done
  docker_process_sql --database=mysql <<SQL
ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
SQL
  root_now=$MYSQL_ROOT_PASSWORD
  if [ "${MYSQL_ROOT_HOST:-%}" != localhost ]; then
    docker_process_sql --database=mysql <<SQL
CREATE USER 'root'@'${MYSQL_ROOT_HOST:-%}' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
GRANT ALL ON *.* TO 'root'@'${MYSQL_ROOT_HOST:-%}' WITH GRANT OPTION;
SQL
  fi
  [ -z "${MYSQL_DATABASE:-}" ] || echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;" | docker_process_sql --database=mysql
  if [ -n "${MYSQL_USER:-}" ]; then
    docker_process_sql --database=mysql <<SQL
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
SQL
    [ -z "${MYSQL_DATABASE:-}" ] || echo "GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';" | docker_process_sql --database=mysql
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      # shellcheck disable=SC1090 # which files there are is the user's affair
      *.sh) log "sourcing $file"; . "$file" ;;
      *.sql) log "running $file"; docker_process_sql <"$file" ;;
    esac
  done
  kill "$server"
  wait "$server" || true
  log "filled"
}

case "${1:-}" in -*) set -- mysqld "$@" ;; esac
if [ "$1" = mysqld ]; then
  datadir=$(setting datadir)
  [ -d "$datadir/mysql" ] || initialise "$datadir"
fi
unset MYSQL_ROOT_PASSWORD MYSQL_PASSWORD
exec "$@"
