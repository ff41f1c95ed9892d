#!/bin/sh
# Logins that must not work do not, and for the reason they should: the server is up and says no.
set -eu

fail() { echo "strangers-refused: $1" >&2; exit 1; }

said=$(psql --no-psqlrc --quiet --command 'SELECT 1' 2>&1 >/dev/null) \
  || fail "not even the right login works at $PGHOST: $said. Look at pod data/postgresql-0"

# refused WHAT PATTERN: the psql of the rest of the arguments must fail with a message that matches
refused() {
  what=$1 pattern=$2
  shift 2
  if said=$("$@" psql --no-psqlrc --quiet --no-password --command 'SELECT 1' 2>&1); then
    fail "$what was let in; look at pg_hba.conf and roles.sql of the component"
  fi
  printf '%s' "$said" | grep -qE "$pattern" || fail "$what failed for another reason: $said"
  echo "$what: refused"
}

refused "a wrong password" 'password authentication failed' env PGPASSWORD=not-the-password
refused "no password" 'no password supplied' env -u PGPASSWORD
refused "the superuser over the network" 'pg_hba.conf rejects' env PGUSER=postgres PGDATABASE=postgres
refused "another role's database" 'pg_hba.conf rejects' env PGDATABASE=airflow
echo '{"check":"strangers-refused","refused":4}'
