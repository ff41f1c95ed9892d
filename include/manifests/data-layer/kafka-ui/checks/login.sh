#!/bin/sh
# A stranger gets nothing, a wrong password gets nothing, the right one sees every broker.
set -eu

fail() { echo "login: $1" >&2; exit 1; }
# call NAME ARGUMENTS...: body to /tmp/NAME.body, prints the status code
call() { name=$1; shift; curl -sS --max-time 20 -o "/tmp/$name.body" -w '%{http_code}' "$@"; }
# login PASSWORD-FILE JAR: the password comes from a file so that it is on no command line
login() { call login -c "$2" --data-urlencode "username=$UI_USERNAME" --data-urlencode "password@$1" "$URL/login"; }

[ "$(call health "$URL/actuator/health")" = 200 ] || fail "$URL/actuator/health does not answer 200; look at deployment/kafka-ui"

stranger=$(call stranger "$URL/api/clusters")
case "$stranger" in
  302 | 401 | 403) echo "without a login: $stranger" ;;
  *) fail "without a login $URL/api/clusters answers $stranger: authentication is off (AUTH_TYPE)" ;;
esac

umask 077
printf 'not-%s' "$UI_PASSWORD" >/tmp/wrong
printf '%s' "$UI_PASSWORD" >/tmp/right
login /tmp/wrong /tmp/wrong.jar >/dev/null
refused=$(call refused -b /tmp/wrong.jar "$URL/api/clusters")
[ "$refused" != 200 ] || fail "a wrong password is accepted"
echo "with a wrong password: $refused"

login /tmp/right /tmp/right.jar >/dev/null
rm -f /tmp/wrong /tmp/right
deadline=$(($(date +%s) + 90))
while :; do
  status=$(call clusters -b /tmp/right.jar "$URL/api/clusters")
  [ "$status" = 200 ] || fail "with the right password: $status; does Secret kafka-ui-login still match?"
  # The UI polls the brokers every 30 s, so a UI that just started reports them a little later.
  brokers=$(sed -n 's/.*"brokerCount":\([0-9]*\).*/\1/p' /tmp/clusters.body)
  [ "${brokers:-0}" -ne "$BROKERS" ] || break
  [ "$(date +%s)" -lt "$deadline" ] || fail "the UI sees ${brokers:-no} brokers, expected $BROKERS: $(cat /tmp/clusters.body)"
  sleep 5
done
echo "logged in; the UI sees $brokers brokers"
echo "{\"check\":\"login\",\"without_login\":$stranger,\"wrong_password\":$refused,\"brokers\":$brokers}"
