#!/bin/sh
# Request, service, pod, database, and back by another way: a maze is made with a seed of this run, its row is read
# from MySQL, and the requests show up in Prometheus.
set -eu

: "${URL:?is the address of the maze}"
server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
seed=$(($(date +%s) % 1000000000))
started=$(date +%s)

get() { curl --silent --show-error --fail-with-body --max-time 15 --retry 3 --retry-connrefused "$1"; }

maze=$(get "$URL/api/maze?seed=$seed&width=14&height=11") || {
  echo "no maze from $URL: $maze. Look at deployment apps/maze and at the network policy apps/maze" >&2
  exit 1
}
id=$(printf '%s' "$maze" | sed -n 's/^{"id":\([0-9]*\),.*/\1/p')
[ -n "$id" ] || {
  echo "the maze has no id, so it was not saved: $(printf '%s' "$maze" | head -c 200)" >&2
  exit 1
}
echo "maze $id was made from seed $seed"

row=$(get "$URL/api/mazes?id=$id") || {
  echo "row $id cannot be read back: $row. Look at apps/mysql" >&2
  exit 1
}
case "$row" in
  *"\"id\":$id,\"seed\":$seed,\"width\":14,\"height\":11,"*) echo "its row is in the database" ;;
  *)
    echo "row $id is another maze: $row, wanted seed $seed, 14 by 11" >&2
    exit 1 ;;
esac

deadline=$((started + ${WAIT_SECONDS:-120}))
query="sum(http_server_requests_seconds_count%7Bjob%3D%22maze%22%2Curi%3D%22/api/mazes%22%2Cstatus%3D%22200%22%7D)"
while :; do
  counted=$(curl --silent --show-error --max-time 10 "$server/api/v1/query?query=$query" 2>/tmp/error |
    sed -n 's/.*"value":\[[0-9.]*,"\([0-9]*\)"\].*/\1/p')
  [ "${counted:-0}" -eq 0 ] || break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "Prometheus has not counted the request: no http_server_requests_seconds of job maze. Look at its target and" \
      "at the network policy apps/maze. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "not counted yet; waiting"
  sleep 5
done
echo "Prometheus has counted $counted requests of this kind"
echo "{\"check\":\"request-to-database\",\"maze\":$id,\"counted\":$counted,\"seconds\":$(($(date +%s) - started))}"
