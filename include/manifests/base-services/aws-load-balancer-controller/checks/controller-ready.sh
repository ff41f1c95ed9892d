#!/bin/sh
# One replica leads, and AWS answers it: without rights or a VPC it does not even start.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
deadline=$(($(date +%s) + ${WAIT_SECONDS:-210}))

value() {
  promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1
}

mine='job="aws-load-balancer-controller"'
while :; do
  up=$(value "sum(up{$mine})")
  leading=$(value "sum(leader_election_master_status{$mine})")
  calls=$(value "sum(aws_api_calls_total{$mine})")
  denied=$(value "sum(aws_api_calls_total{$mine,status_code=~\"4..\"}) or vector(0)")
  [ "${up:-0}" -ge 1 ] && [ "${leading:-0}" = 1 ] && [ "${calls:-0}" -ge 1 ] && [ "${denied:-1}" = 0 ] && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "${up:-0} replicas are scraped, ${leading:-0} lead, ${calls:-0} calls to AWS were made and ${denied:-an unknown" \
      "number} refused. AccessDenied in the log: the pod identity of controllers/aws-load-balancer-controller is missing;" \
      "no VPC found: the network stack's tags. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "${up:-0} up, ${leading:-0} leading, ${calls:-0} calls to AWS, ${denied:-0} refused; waiting"
  sleep 5
done
echo "one of $up replicas leads, and AWS refused none of its $calls calls"
echo "{\"check\":\"controller-ready\",\"replicas\":$up,\"aws_calls\":$calls,\"refused\":$denied}"
