#!/bin/sh
# The sample ETL runs to its end: three tasks, each in a pod of its own, from the maze application into PostgreSQL.
set -eu

started=$(date +%s)
deadline=$((started + ${WAIT_SECONDS:-480}))
umask 077

fail() { echo "etl: $1" >&2; exit 1; }
api() { curl --silent --show-error --max-time 20 --header @/tmp/header --header 'Content-Type: application/json' "$@" 2>/tmp/error; }
# field NAME FILE: the first string or number of that name
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p" "$2" | head -n 1; }

printf '{"username":"admin","password":"%s"}' "$AIRFLOW_PASSWORD" >/tmp/credentials
curl --silent --show-error --fail --max-time 20 --request POST --header 'Content-Type: application/json' \
  --data @/tmp/credentials --output /tmp/token "$AIRFLOW_URL/auth/token" 2>/tmp/error || fail "no login: $(cat /tmp/error) (see check login)"
printf 'Authorization: Bearer %s' "$(field access_token /tmp/token)" >/tmp/header

# A DAG is there when the DAG processor has parsed it, which takes a moment after its first start. Runs of a paused DAG wait.
until api --fail --request PATCH --data '{"is_paused":false}' --output /tmp/dag "$AIRFLOW_URL/api/v2/dags/$DAG"; do
  [ "$(date +%s)" -lt "$deadline" ] || fail "no DAG $DAG: $(cat /tmp/error). Look at the log of deployment apps/airflow-dag-processor"
  echo "waiting for DAG $DAG"
  sleep 5
done
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
run="check__$(date +%s)"
api --fail --request POST --data "{\"dag_run_id\":\"$run\",\"logical_date\":\"$now\"}" --output /tmp/run "$AIRFLOW_URL/api/v2/dags/$DAG/dagRuns" \
  || fail "the run was refused: $(cat /tmp/error)"
echo "started run $run"

seen=
while :; do
  state=unknown
  # A request that fails is asked again; the deadline bounds it.
  if api --fail --output /tmp/run "$AIRFLOW_URL/api/v2/dags/$DAG/dagRuns/$run"; then state=$(field state /tmp/run); fi
  [ "$state" = "$seen" ] || echo "$state after $(($(date +%s) - started)) s"
  seen=$state
  case "$state" in success | failed) break ;; esac
  [ "$(date +%s)" -lt "$deadline" ] || fail "run $run is still $state after $(($(date +%s) - started)) s. Look at kubectl -n apps get pods -l app.kubernetes.io/component=worker, and at the scheduler's log"
  sleep 3
done
api --fail --output /tmp/tasks "$AIRFLOW_URL/api/v2/dags/$DAG/dagRuns/$run/taskInstances" || fail "no list of its tasks: $(cat /tmp/error)"
succeeded=$(grep -o '"state" *: *"success"' /tmp/tasks | wc -l | tr -d ' ')
[ "$state" = success ] || fail "run $run failed, $succeeded tasks succeeded: kubectl -n apps logs -l app.kubernetes.io/component=worker,dag_id=$DAG. 'Invalid auth token' means that components have different keys"
[ "$succeeded" -eq 3 ] || fail "the run is a success with $succeeded tasks instead of 3"
api --fail --output /tmp/loaded "$AIRFLOW_URL/api/v2/dags/$DAG/dagRuns/$run/taskInstances/load/xcomEntries/return_value?deserialize=true" || fail "task load left no result: $(cat /tmp/error)"
# The value is an object, or an object as text.
tr -d '\\' </tmp/loaded | tr "'" '"' >/tmp/value
mazes=$(field mazes /tmp/value)
days=$(field days /tmp/value)
[ "${mazes:-0}" -gt 0 ] || fail "it loaded nothing: $(head -c 300 /tmp/loaded)"
echo "loaded numbers of $mazes mazes; $days days are in the table"
echo "{\"check\":\"etl\",\"tasks\":$succeeded,\"mazes\":$mazes,\"days\":$days,\"seconds\":$(($(date +%s) - started))}"
