#!/bin/sh
# Every node has a shipper, and CloudWatch took from each what it read. Nodes are counted by their kubelets.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-210}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

while :; do
  nodes=$(value 'count(up{job="kubelet"})')
  delivering=$(value 'count(sum by (node) (fluentbit_output_proc_records_total{job="log-shipper"}) > 0)')
  lost=$(value 'sum(fluentbit_output_retries_failed_total{job="log-shipper"}) + sum(fluentbit_output_dropped_records_total{job="log-shipper"})')
  [ -n "$nodes" ] && [ "$nodes" = "${delivering:-0}" ] && [ "${lost:-1}" = 0 ] && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "${delivering:-0} of ${nodes:-0} nodes deliver their logs to CloudWatch, ${lost:-an unknown number of} records" \
      "or chunks were given up. AccessDenied in the log of node-agents/log-shipper: its pod identity is missing;" \
      "ResourceNotFoundException: the log group of the audit stack. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "${delivering:-0} of ${nodes:-0} nodes deliver; waiting"
  sleep 5
done
records=$(value 'sum(fluentbit_output_proc_records_total{job="log-shipper"})')
echo "all $nodes nodes deliver, nothing was given up"
echo "{\"check\":\"logs-delivered\",\"nodes\":$nodes,\"delivering\":$delivering,\"records\":$records}"
