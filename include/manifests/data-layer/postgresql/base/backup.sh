#!/bin/sh
# Dumps every database into /backup, each in a file that pg_restore reads, and keeps the dumps of the last KEEP nights.
set -eu

stamp=$(date -u +%Y%m%dT%H%M%SZ)
umask 077
# In a file, because an environment is inherited by everything.
printf '*:*:*:backup:%s\n' "$(cat /etc/secrets/postgresql-auth/backup-password)" >/tmp/pgpass
export PGPASSFILE=/tmp/pgpass PGUSER=backup PGCONNECT_TIMEOUT=10

target=/backup/postgresql-$stamp
rm -rf /backup/*.part
mkdir "$target.part"
databases=$(psql --no-psqlrc --tuples-only --no-align --dbname=airflow \
  --command "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN ('template1', 'postgres')")
for database in $databases; do
  pg_dump --format=custom --dbname="$database" --file="$target.part/$database.dump"
  # A dump whose contents cannot be listed could not be restored either.
  echo "$database: $(pg_restore --list "$target.part/$database.dump" | grep -c '^[0-9]') objects," \
    "$(wc -c <"$target.part/$database.dump") bytes"
done
# The roles themselves are made by the server's container roles; this is for the record.
pg_dumpall --globals-only --no-role-passwords --database=airflow --file="$target.part/globals.sql"
sync
# Only a whole set of dumps gets its final name.
mv "$target.part" "$target"
# Names sort by time and hold no blanks, so sorting them is safe.
find /backup -mindepth 1 -maxdepth 1 -name 'postgresql-*' | sort -r | tail -n "+$((KEEP + 1))" | xargs -r rm -rf
echo "wrote $target; kept: $(find /backup -mindepth 1 -maxdepth 1 -name 'postgresql-*' | wc -l)"
