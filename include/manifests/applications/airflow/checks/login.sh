#!/bin/sh
# Nothing is shown without a login, a wrong password is refused, the right one opens the API.
set -eu

fail() { echo "login: $1" >&2; exit 1; }
status() { curl --silent --show-error --max-time 20 --output /tmp/body --write-out '%{http_code}' "$@" 2>/tmp/error || echo "000 $(cat /tmp/error)"; }
# In a file, because a command line can be read by others.
credentials() { printf '{"username":"admin","password":"%s"}' "$1" >/tmp/credentials; }
token() { status --request POST --header 'Content-Type: application/json' --data @/tmp/credentials "$AIRFLOW_URL/auth/token"; }

umask 077
found=$(status "$AIRFLOW_URL/api/v2/dags")
[ "$found" = 401 ] || fail "the API answers $found without a login, wanted 401. Look at deployment apps/airflow-api-server and its auth_manager"
echo "without a login: 401"
credentials not-the-password
found=$(token)
[ "$found" = 401 ] || fail "a wrong password is answered with $found, wanted 401"
echo "wrong password: 401"
credentials "$AIRFLOW_PASSWORD"
found=$(token)
[ "$found" = 201 ] || fail "the administrator's password is answered with $found, wanted 201: did the Job airflow-migrate end well? $(head -c 200 /tmp/body)"
access=$(sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p' /tmp/body)
printf 'Authorization: Bearer %s' "$access" >/tmp/header
found=$(status --header @/tmp/header "$AIRFLOW_URL/api/v2/version")
[ "$found" = 200 ] || fail "the token is refused with $found"
version=$(sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p' /tmp/body)
echo "right password: version $version"
echo "{\"check\":\"login\",\"refused\":2,\"version\":\"$version\"}"
