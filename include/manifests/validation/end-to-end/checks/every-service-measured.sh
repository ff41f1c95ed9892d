#!/bin/sh
# A service that nobody measures is found out here, not in an outage. kube-state-metrics says which pods ask to be
# scraped, Prometheus which are: a wrong port or a closed network policy shows as the difference.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))
asking='kube_pod_annotations{annotation_prometheus_io_scrape="true"}
  and on (namespace, pod) kube_pod_status_phase{phase="Running"} == 1'

query() { promtool query instant "$server" "$1" 2>/tmp/error | grep '=>' || true; }
value() { query "$1" | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1; }

while :; do
  wanted=$(value "count($asking)")
  query "($asking) unless on (namespace, pod) (up == 1 and scrape_samples_scraped > 0)" |
    sed 's/.*namespace="\([^"]*\)".*pod="\([^"]*\)".*/\1\/\2/' >/tmp/silent
  empty=""
  for namespace in ${NAMESPACES:-monitoring node-agents streaming data apps}; do
    [ -n "$(value "count(up{namespace=\"$namespace\"} == 1)")" ] || empty="$empty $namespace"
  done
  if [ "${wanted:-0}" -gt 0 ] && [ ! -s /tmp/silent ] && [ -z "$empty" ]; then
    break
  fi
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "${wanted:-0} pods ask to be scraped; without samples: $(tr '\n' ' ' </tmp/silent); namespaces without any" \
      "target:$empty. Look at $server/targets: is prometheus.io/port a containerPort, does a network policy let" \
      "Prometheus in? Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "waiting for: $(tr '\n' ' ' </tmp/silent)$empty"
  sleep 5
done
jobs=$(value 'count(count by (job) (up == 1))')
samples=$(value 'sum(scrape_samples_scraped)')
echo "all $wanted pods that ask for it are measured"
echo "{\"check\":\"every-service-measured\",\"pods\":$wanted,\"jobs\":$jobs,\"samples_per_scrape\":$samples}"
