#!/bin/sh
# A service that nobody measures is found out here, not in an outage. JOBS lists every workload that exports metrics.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
: "${JOBS:?names the jobs that Prometheus must scrape}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-120}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

while :; do
  silent=""
  measured=0
  for job in $JOBS; do
    samples=$(value "sum(scrape_samples_scraped{job=\"$job\"} and up{job=\"$job\"} == 1)")
    case "${samples:-0}" in
      0) silent="$silent $job" ;;
      *) measured=$((measured + 1)) ;;
    esac
  done
  [ -n "$silent" ] || break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "Prometheus has no samples of:$silent. Look at $server/targets; each needs the annotations prometheus.io/scrape" \
      "and prometheus.io/port, and a network policy that lets Prometheus in. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "no samples yet of:$silent"
  sleep 5
done
total=$(value 'sum(scrape_samples_scraped)')
echo "$measured services are measured"
echo "{\"check\":\"every-service-measured\",\"services\":$measured,\"samples_per_scrape\":${total:-0}}"
