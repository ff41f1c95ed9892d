#!/bin/sh
# The platform's own web interfaces of this stage are probed and answer. Those of later stages are not there yet.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

mine='job="probe",namespace="monitoring"'
while :; do
  targets=$(value "count(probe_success{$mine})")
  answering=$(value "count(probe_success{$mine} == 1)")
  [ -n "$targets" ] && [ "$targets" -gt 1 ] && [ "$targets" = "${answering:-0}" ] && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "${answering:-0} of ${targets:-no} web interfaces in namespace monitoring answer. Those that do not:" \
      "$(promtool query instant "$server" "probe_success{$mine} == 0" 2>/dev/null || true)." \
      "None at all: look at Prometheus' targets of job probe. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "${answering:-0} of ${targets:-0} web interfaces answer; waiting"
  sleep 5
done
slowest=$(value "max(probe_duration_seconds{$mine})")
echo "all $targets web interfaces answer"
echo "{\"check\":\"probes-answer\",\"targets\":$targets,\"answering\":$answering,\"slowest_seconds\":$slowest}"
