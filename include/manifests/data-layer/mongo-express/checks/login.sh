#!/bin/sh
# Nothing without a login, nothing with a wrong password, MongoDB's databases with the right one.
set -eu

umask 077
fail() { echo "login: $1" >&2; exit 1; }
# In a file, because a command line can be read by others.
login() { printf 'user = "admin:%s"\n' "$1" >/tmp/login; }
status() { curl --silent --show-error --max-time 20 --retry 5 --retry-connrefused --output /tmp/page --write-out '%{http_code}' "$@" 2>/tmp/error || echo "nothing ($(cat /tmp/error))"; }

found=$(status "$URL/")
[ "$found" = 401 ] || fail "without a login it answers $found, wanted 401: is ME_CONFIG_BASICAUTH on, and deployment data/mongo-express ready?"
login not-the-password
found=$(status --config /tmp/login "$URL/")
[ "$found" = 401 ] || fail "a wrong password is answered with $found, wanted 401"
echo "refused without a login and with a wrong password"
login "$UI_PASSWORD"
found=$(status --config /tmp/login "$URL/")
[ "$found" = 200 ] || fail "the right password is answered with $found, wanted 200: can it reach MongoDB? kubectl -n data logs deployment/mongo-express"
databases=$(grep -o 'href="/db/[^"/]*' /tmp/page | sort -u | wc -l | tr -d ' ')
[ "$databases" -gt 0 ] || fail "the page lists no database: user express may not read, or cannot log in. kubectl -n data logs deployment/mongo-express"
echo "shows $databases databases"
echo "{\"check\":\"login\",\"refused\":2,\"databases\":$databases}"
