#!/bin/sh
# Runs roles.sql over the socket until it succeeds, then again every INTERVAL seconds, so that a password that was
# changed by hand or came back with a restored dump is set to that of the Secret again.
set -u

trap 'exit 0' TERM INT
rm -f /tmp/applied
while :; do
  if psql --no-psqlrc --quiet --username=postgres --dbname=postgres --file=/etc/postgresql/roles.sql; then
    [ -f /tmp/applied ] || echo "roles and databases are as declared"
    touch /tmp/applied
    wait_for=${INTERVAL:-300}
  else
    rm -f /tmp/applied
    wait_for=5
  fi
  touch /tmp/pass
  sleep "$wait_for" &
  wait $!
done
