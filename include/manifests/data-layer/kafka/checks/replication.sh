#!/bin/sh
# Every partition is fully replicated, and every topic of topics.conf exists with its replicas and minimum in sync.
set -eu

export PATH="/opt/kafka/bin:$PATH"

fail() { echo "replication: $1" >&2; exit 1; }
describe() { kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --describe "$@"; }

describe >/tmp/all || fail "no broker at $BOOTSTRAP answered; look at the pods app.kubernetes.io/name=kafka"

# Replicas that just started catch up within seconds; one that stays behind is the fault this looks for.
deadline=$(($(date +%s) + ${SETTLE_SECONDS:-60}))
while :; do
  describe --under-replicated-partitions >/tmp/under || fail "could not ask for under-replicated partitions"
  grep -q 'Partition:' /tmp/under || break
  [ "$(date +%s)" -lt "$deadline" ] || { head -n 20 /tmp/under >&2; fail "$(grep -c 'Partition:' /tmp/under) partitions are under-replicated"; }
  echo "$(grep -c 'Partition:' /tmp/under) partitions catch up"
  sleep 5
done
describe --unavailable-partitions >/tmp/unavailable || fail "could not ask for unavailable partitions"
! grep -q 'Partition:' /tmp/unavailable || { cat /tmp/unavailable >&2; fail "partitions without a leader"; }

topics=0
while read -r name _ replicas _; do
  case "$name" in '' | '#'*) continue ;; esac
  line=$(awk -v topic="$name" '$1 == "Topic:" && $2 == topic && /PartitionCount:/' /tmp/all)
  [ -n "$line" ] || fail "topic $name of topics.conf does not exist; look at the log of deployment/kafka-topics"
  factor=$(echo "$line" | sed -n 's/.*ReplicationFactor: *\([0-9]*\).*/\1/p')
  [ "$factor" = "$replicas" ] || fail "topic $name has replication factor $factor, topics.conf says $replicas"
  echo "$line" | grep -q "min.insync.replicas=$MIN_ISR" || fail "topic $name does not have min.insync.replicas=$MIN_ISR: $line"
  echo "$name: replication factor $factor, min ISR $MIN_ISR"
  topics=$((topics + 1))
done </checks/topics.conf
[ "$topics" -gt 0 ] || fail "topics.conf declares no topic, so nothing was proved"

partitions=$(grep -c 'Leader:' /tmp/all)
echo "{\"check\":\"replication\",\"declared_topics\":$topics,\"partitions\":$partitions,\"under_replicated\":0,\"unavailable\":0,\"min_isr\":$MIN_ISR}"
