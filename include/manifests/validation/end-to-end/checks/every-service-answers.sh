#!/bin/sh
# One expression per service that is true only when the service works, not merely its pod: all of them in one pass.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-200}))

query() { promtool query instant "$server" "$1" 2>/tmp/error | grep -c '=>' || true; }

# name, then an expression with a result when the service works
cat >/tmp/services <<'SERVICES'
kafka max(kafka_brokers) >= 3 unless on () (max(kafka_topic_partition_leader < bool 0) > 0)
kafka-brokers count(kafka_jmx_up == 1) >= 3
mongodb max(mongodb_rs_myState == 1)
postgresql max(pg_up) == 1
mysql max(mysql_up) == 1
hdfs max(fs_namesystem_num_live_data_nodes) >= 3 and on () max(fs_namesystem_missing_blocks) == 0
spark max(metrics_master_aliveWorkers_Value) >= 1
stream min(stream_active) == 1
airflow max(rate(airflow_scheduler_heartbeat[5m])) > 0
maze count(up{job="maze"} == 1) >= 1
mongo-express kube_deployment_status_replicas_available{deployment="mongo-express"} >= 1
kafka-ui kube_deployment_status_replicas_available{deployment="kafka-ui"} >= 1
spark-history kube_deployment_status_replicas_available{deployment="spark-history"} >= 1
grafana count(up{job="grafana"} == 1) >= 1
alertmanager count(up{job="alertmanager"} == 1) >= 1
nodes count(up{job="node-exporter"} == 1) == count(kube_node_info)
SERVICES

while :; do
  working=0 failing=
  while read -r name expression; do
    if [ "$(query "$expression")" -gt 0 ]; then working=$((working + 1)); else failing="$failing $name"; fi
  done </tmp/services
  [ -n "$failing" ] || break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "these services do not work:$failing. Look at their alerts at $server/alerts, then at their own checks. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "waiting for:$failing"
  sleep 5
done
echo "all $working services work"
echo "{\"check\":\"every-service-answers\",\"services\":$working}"
