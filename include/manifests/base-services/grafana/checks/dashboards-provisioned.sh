#!/bin/sh
# Goes the way a user goes: log in, find the dashboards, draw a panel.
set -eu

server="${GRAFANA_URL:-http://grafana.monitoring.svc:3000}"
: "${GRAFANA_PASSWORD:?is empty; it comes from the Secret grafana-admin, key password}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-120}))

# get PATH: the answer is left in /tmp/answer, its status code printed. The password never is an argument.
get() {
  printf 'user = "admin:%s"\n' "$GRAFANA_PASSWORD" |
    curl --config - --silent --show-error --max-time 15 --output /tmp/answer --write-out '%{http_code}' "$server$1" \
      2>/tmp/error || true
}

fail() {
  echo "$1. Grafana said: $(head -c 300 /tmp/answer 2>/dev/null || true) $(cat /tmp/error 2>/dev/null || true)" >&2
  exit 1
}

dashboards="slipway-cluster-overview slipway-application-metrics slipway-business-metrics"
for uid in $dashboards; do
  until [ "$(get "/api/dashboards/uid/$uid")" = 200 ]; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "dashboard $uid is not there"
    echo "waiting for dashboard $uid"
    sleep 5
  done
  grep -q '"provisioned": *true' /tmp/answer || fail "dashboard $uid exists, but not from provisioning"
  echo "dashboard $uid is provisioned"
done

status=$(get '/api/datasources/uid/prometheus/health')
[ "$status" = 200 ] || fail "data source 'prometheus' is not healthy (HTTP $status)"

status=$(get '/api/datasources/proxy/uid/prometheus/api/v1/query?query=count(up)')
[ "$status" = 200 ] || fail "a query through data source 'prometheus' got HTTP $status"
targets=$(sed -n 's/.*"value":\[[0-9.]*,"\([0-9]*\)"\].*/\1/p' /tmp/answer)
[ "${targets:-0}" -gt 0 ] || fail "a query through data source 'prometheus' found no targets"
echo "a query through Grafana counts $targets targets"
echo "{\"check\":\"dashboards-provisioned\",\"dashboards\":3,\"targets\":$targets}"
