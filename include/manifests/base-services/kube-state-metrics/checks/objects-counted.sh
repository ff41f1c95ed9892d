#!/bin/sh
# The numbers come from two independent sources: kubelets that Prometheus finds itself, and objects counted here.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

while :; do
  kubelets=$(value 'count(up{job="kubelet"})')
  nodes=$(value 'count(kube_node_info)')
  namespaces=$(value 'count(kube_namespace_status_phase{namespace=~"monitoring|streaming|data|apps|validation",phase="Active"} == 1)')
  available=$(value 'kube_deployment_status_replicas_available{namespace="monitoring",deployment="kube-state-metrics"}')
  pods=$(value 'count(kube_pod_info)')
  [ -n "$kubelets" ] && [ "$kubelets" = "$nodes" ] && [ "$namespaces" = 5 ] && [ "$available" = 1 ] && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "counted ${nodes:-no} nodes (kubelets: ${kubelets:-none}), ${namespaces:-no} of 5 platform namespaces," \
      "${available:-no} available kube-state-metrics. Look at its log for 'forbidden', and at its target in" \
      "$server/targets. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "nodes ${nodes:-0} of ${kubelets:-0}, namespaces ${namespaces:-0} of 5; waiting"
  sleep 5
done
echo "nodes, namespaces and Deployments are counted"
echo "{\"check\":\"objects-counted\",\"nodes\":$nodes,\"namespaces\":$namespaces,\"pods\":$pods}"
