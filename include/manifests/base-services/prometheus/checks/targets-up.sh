#!/bin/sh
# The base services' gate: metrics are collected. A target counts only if its samples are fresh, because "up" stays 1
# in an old sample.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
jobs="${REQUIRED_JOBS:-prometheus kubelet cadvisor kubernetes-api}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

# value EXPRESSION: the number of a one-sample answer, or nothing
value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

while :; do
  missing=""
  for job in $jobs; do
    fresh=$(value "count(up{job=\"$job\"} == 1 and time() - timestamp(up{job=\"$job\"}) < 60)")
    [ -n "$fresh" ] || missing="$missing $job"
  done
  [ -n "$missing" ] || break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "no fresh target of:$missing. Look at $server/targets, at Prometheus' ClusterRole and at its network policy." \
      "Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "waiting for:$missing"
  sleep 5
done

up=$(value 'sum(up)')
all=$(value 'count(up)')
promtool query instant "$server" 'up == 0' 2>/dev/null | sed -n '/=>/s/^/down: /p'
series=$(value 'sum(prometheus_tsdb_head_series)')
echo "$up of $all targets are up; required jobs: $jobs"
share=$(value 'floor(100 * sum(up) / count(up))')
if [ "$share" -lt "${MINIMUM_SHARE:-80}" ]; then
  echo "only $up of $all targets are up ($share %, at least ${MINIMUM_SHARE:-80} % wanted); see the list above" >&2
  exit 1
fi
echo "{\"check\":\"targets-up\",\"up\":$up,\"targets\":$all,\"series\":${series:-0}}"
