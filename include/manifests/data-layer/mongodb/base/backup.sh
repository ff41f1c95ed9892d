#!/bin/sh
# Dumps every database at one point in time (--oplog) into /backup and keeps the last KEEP dumps.
set -eu

target="/backup/mongodb-$(date -u +%Y%m%dT%H%M%SZ).archive.gz"

# In a file, because a command line can be read by others.
umask 077
cat >/tmp/mongodump.yaml <<CONFIG
password: "$(cat /etc/secrets/mongodb-auth/backup-password)"
CONFIG

mongodump --config=/tmp/mongodump.yaml --host="$HOSTS" --username=backup --authenticationDatabase=admin \
  --readPreference=secondaryPreferred --oplog --gzip --archive="$target.part"
# Only a whole dump gets its final name.
mv "$target.part" "$target"
rm -f /backup/*.part
# Names sort by time and hold no blanks, so sorting them is safe.
find /backup -name 'mongodb-*.archive.gz' | sort -r | tail -n "+$((KEEP + 1))" | xargs -r rm -f
echo "wrote $target, $(wc -c <"$target") bytes; kept: $(find /backup -name 'mongodb-*.archive.gz' | wc -l)"
