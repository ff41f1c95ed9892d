#!/bin/sh
# Runs replica-set.js until it says that this member is in the set, then sleeps until the pod ends.
set -u

trap 'exit 0' TERM INT
rm -f /tmp/member
until mongosh --nodb --quiet --norc --file /etc/mongodb-scripts/replica-set.js; do
  touch /tmp/pass
  sleep 5 &
  wait $!
done
touch /tmp/member
echo "this member is in the set; sleeping"
while :; do
  sleep 86400 &
  wait $!
done
