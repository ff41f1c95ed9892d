#!/bin/sh
# Airflow's own view of itself: metadata database, scheduler, DAG processor and triggerer are alive, with fresh heartbeats.
set -eu

deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

fail() { echo "heartbeats: $1" >&2; exit 1; }
# part NAME: the status of one part out of {"metadatabase":{"status":"healthy"},"scheduler":{"status":...},...}
part() { sed -n "s/.*\"$1\":{\"status\":\"\{0,1\}\([a-z]*\).*/\1/p" /tmp/health; }

while :; do
  if curl --silent --show-error --fail --max-time 10 --output /tmp/health "$AIRFLOW_URL/api/v2/monitor/health" 2>/tmp/error; then
    state=
    healthy=0
    for name in metadatabase scheduler dag_processor triggerer; do
      status=$(part "$name")
      state="$state $name=${status:-missing}"
      [ "$status" != healthy ] || healthy=$((healthy + 1))
    done
    [ "$healthy" -ne 4 ] || break
  else
    state=" $(cat /tmp/error)"
  fi
  [ "$(date +%s)" -lt "$deadline" ] || fail "not all parts are healthy:$state. Look at the pods app.kubernetes.io/name=airflow in namespace apps; a heartbeat that is missing while its pod runs means that it cannot reach PostgreSQL"
  echo "waiting:$state"
  sleep 5
done
echo "healthy:$state"
echo "{\"check\":\"heartbeats\",\"healthy\":$healthy}"
