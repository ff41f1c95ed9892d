#!/bin/sh
# "Available" hides a Deployment with two of three replicas. Here every workload of the platform has what it asks for.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))
namespaces='namespace=~"monitoring|node-agents|streaming|data|apps"'

query() { promtool query instant "$server" "$1" 2>/tmp/error | grep '=>' || true; }
value() { query "$1" | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1; }

while :; do
  deployments=$(value "count(kube_deployment_spec_replicas{$namespaces})")
  sets=$(value "count(kube_statefulset_replicas{$namespaces})")
  agents=$(value "count(kube_daemonset_status_desired_number_scheduled{$namespaces})")
  query "(kube_deployment_spec_replicas{$namespaces} - kube_deployment_status_replicas_available) > 0
    or (kube_statefulset_replicas{$namespaces} - kube_statefulset_status_replicas_ready) > 0
    or (kube_daemonset_status_desired_number_scheduled{$namespaces} - kube_daemonset_status_number_available) > 0" \
    >/tmp/short
  if [ "${deployments:-0}" -gt 0 ] && [ "${sets:-0}" -gt 0 ] && [ "${agents:-0}" -gt 0 ] && [ ! -s /tmp/short ]; then
    break
  fi
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "counted ${deployments:-0} Deployments, ${sets:-0} StatefulSets, ${agents:-0} DaemonSets; short of replicas:" \
      "$(sed 's/.*{\(.*\)}.*=> *\([0-9]*\).*/\1 by \2;/' /tmp/short) $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "waiting: $(wc -l </tmp/short) workloads are short of replicas"
  sleep 5
done
echo "every workload has the replicas it asks for"
echo "{\"check\":\"replicas-as-specified\",\"deployments\":$deployments,\"statefulsets\":$sets,\"daemonsets\":$agents}"
