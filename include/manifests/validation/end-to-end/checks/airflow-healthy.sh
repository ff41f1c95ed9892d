#!/bin/sh
# Airflow from another namespace: its parts are healthy, and without a login nothing is shown.
set -eu

deadline=$(($(date +%s) + ${WAIT_SECONDS:-90}))

while :; do
  healthy=$(curl --silent --show-error --max-time 10 "$AIRFLOW_URL/api/v2/monitor/health" 2>/tmp/error | grep -o '"status":"healthy"' | wc -l | tr -d ' ')
  [ "$healthy" -ne 4 ] || break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "$healthy of 4 parts of Airflow are healthy (database, scheduler, DAG processor, triggerer); see its check heartbeats. $(cat /tmp/error)" >&2
    exit 1
  fi
  sleep 5
done
status=$(curl --silent --show-error --max-time 10 --output /dev/null --write-out '%{http_code}' "$AIRFLOW_URL/api/v2/dags")
[ "$status" = 401 ] || {
  echo "the API answers $status to somebody without a login, wanted 401" >&2
  exit 1
}
echo "{\"check\":\"airflow-healthy\",\"healthy\":$healthy,\"without_login\":$status}"
