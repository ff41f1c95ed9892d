#!/bin/bash
# Fills an empty PGDATA (initdb, superuser's password, one database, /docker-entrypoint-initdb.d), then starts postgres.
# The variables are those of the upstream image: POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS,
# the first three also as NAME_FILE. It runs as the user it is started as, and changes no owner.
set -euo pipefail

from_file() {
  local file="${1}_FILE"
  [ -z "${!file:-}" ] || export "$1"="$(cat "${!file}")"
}

initialise() {
  from_file POSTGRES_PASSWORD; from_file POSTGRES_USER; from_file POSTGRES_DB
  : "${POSTGRES_PASSWORD:?or POSTGRES_PASSWORD_FILE is needed to fill an empty data folder}"
  local user=${POSTGRES_USER:-postgres}
  local database=${POSTGRES_DB:-$user}
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA"
  # shellcheck disable=SC2086 # several words are meant
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  # Its own configuration, and the socket alone: nobody may come in before the server is whole.
  pg_ctl --pgdata="$PGDATA" --wait -o "-c listen_addresses='' -c config_file=$PGDATA/postgresql.conf" start
  export PGPASSWORD=$POSTGRES_PASSWORD
  if [ "$database" != postgres ]; then
    psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname=postgres --command="CREATE DATABASE \"$database\""
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      # shellcheck disable=SC1090 # which files there are is the user's affair
      *.sh) . "$file" ;;
      *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file" ;;
    esac
  done
  unset PGPASSWORD
  pg_ctl --pgdata="$PGDATA" --wait --mode=fast stop
}

case "${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  initialise
fi
unset POSTGRES_PASSWORD
exec "$@"
