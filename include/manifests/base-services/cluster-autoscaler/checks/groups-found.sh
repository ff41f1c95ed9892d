#!/bin/sh
# It knows every node as one of a group that it may resize, and its loop has just run.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-210}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

while :; do
  nodes=$(value 'count(up{job="kubelet"})')
  known=$(value 'max(sum by (pod) (cluster_autoscaler_nodes_count{job="cluster-autoscaler"}))')
  groups=$(value 'max(sum by (pod) (cluster_autoscaler_node_groups_count{job="cluster-autoscaler"}))')
  age=$(value 'time() - max(cluster_autoscaler_last_activity{job="cluster-autoscaler",activity="main"})')
  [ -n "$nodes" ] && [ "$nodes" = "${known:-0}" ] && [ "${groups:-0}" -ge 1 ] && [ "${age%.*}" -lt 60 ] && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "it knows ${known:-no} of ${nodes:-0} nodes in ${groups:-no} node groups, and its loop ran ${age:-an unknown number of}" \
      "seconds ago. AccessDenied in its log: the pod identity of controllers/cluster-autoscaler is missing; no groups: the" \
      "Auto Scaling groups lack the tags k8s.io/cluster-autoscaler/*. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "${known:-0} of ${nodes:-0} nodes in ${groups:-0} groups; waiting"
  sleep 5
done
echo "all $nodes nodes belong to $groups node groups"
echo "{\"check\":\"groups-found\",\"nodes\":$nodes,\"node_groups\":$groups,\"loop_age_seconds\":$age}"
