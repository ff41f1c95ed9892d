#!/bin/sh
# Nodes are counted by their kubelets, which Prometheus finds through the API, so a node without an exporter shows.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

while :; do
  nodes=$(value 'count(up{job="kubelet"})')
  reporting=$(value 'count(
    count by (node) (node_cpu_seconds_total{job="node-exporter"})
    and on (node) node_memory_MemAvailable_bytes{job="node-exporter"}
    and on (node) count by (node) (node_filesystem_avail_bytes{job="node-exporter"})
    and on (node) up{job="node-exporter"} == 1)')
  [ -n "$nodes" ] && [ "$nodes" = "${reporting:-0}" ] && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "${reporting:-0} of ${nodes:-0} nodes report CPU, memory and file systems. Look at the DaemonSet" \
      "node-agents/node-exporter, and whether the nodes' security group lets port 9100 through." \
      "Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "${reporting:-0} of ${nodes:-0} nodes report; waiting"
  sleep 5
done
echo "all $nodes nodes report"
echo "{\"check\":\"every-node-reports\",\"nodes\":$nodes,\"reporting\":$reporting}"
