#!/bin/sh
# Makes the cluster's topics what topics.conf declares, then looks again every INTERVAL seconds.
#
# A loop in a Deployment rather than a Job: a Job cannot be edited, so a new topic, image or memory limit would
# need another one each time, and nothing would notice a topic deleted by hand.
# Never deletes a topic and never lowers partitions: both would lose data.
set -eu

readonly WANTED=/etc/kafka-topics/topics.conf
readonly FOUND=/tmp/found
# Where the probes look: applied = the last pass left nothing to do; pass = when the last pass ended.
readonly APPLIED=/tmp/applied
readonly PASS=/tmp/pass

topics() { kafka-topics.sh --bootstrap-server "$BOOTSTRAP" "$@"; }

# field NAME TOPIC: a value out of "Topic: x ... PartitionCount: 6 ReplicationFactor: 3 Configs: a=1,b=2"
field() { awk -v topic="$2" -v name="$1:" '$1 == "Topic:" && $2 == topic { for (i = 3; i < NF; i++) if ($i == name) { print $(i + 1); exit } }' "$FOUND"; }

# missing_settings WANTED FOUND: those of the first comma-separated list that the second lacks
missing_settings() {
  for setting in $(echo "$1" | tr ',' ' '); do
    case ",$2," in *",$setting,"*) ;; *) printf '%s,' "$setting" ;; esac
  done
}

ensure() {
  name=$1 partitions=$2 replicas=$3 settings=$4
  have=$(field PartitionCount "$name")
  if [ -z "$have" ]; then
    config=$(echo "$settings" | sed 's/,/ --config /g')
    # shellcheck disable=SC2086 # one word per setting is meant
    topics --create --if-not-exists --topic "$name" --partitions "$partitions" --replication-factor "$replicas" --config $config || return 1
    return 0
  fi
  if [ "$have" -lt "$partitions" ]; then
    topics --alter --topic "$name" --partitions "$partitions" || return 1
    echo "$name: partitions $have -> $partitions"
  elif [ "$have" -gt "$partitions" ]; then
    echo "$name has $have partitions, topics.conf says $partitions: partitions cannot be removed; correct topics.conf or move to a new topic" >&2
    return 1
  fi
  if [ "$(field ReplicationFactor "$name")" != "$replicas" ]; then
    echo "$name has replication factor $(field ReplicationFactor "$name"), topics.conf says $replicas: use kafka-reassign-partitions.sh" >&2
    return 1
  fi
  missing=$(missing_settings "$settings" "$(field Configs "$name")")
  if [ -n "$missing" ]; then
    kafka-configs.sh --bootstrap-server "$BOOTSTRAP" --alter --entity-type topics --entity-name "$name" --add-config "${missing%,}" || return 1
  fi
}

reconcile() {
  topics --describe --exclude-internal >"$FOUND" || return 1
  failed=0
  while read -r name partitions replicas settings; do
    case "$name" in '' | '#'*) continue ;; esac
    ensure "$name" "$partitions" "$replicas" "$settings" </dev/null || failed=1
  done <"$WANTED"
  return "$failed"
}

trap 'exit 0' TERM INT
while :; do
  if reconcile; then
    touch "$APPLIED"
    echo "topics are as declared; next look in $INTERVAL s"
    wait_for=$INTERVAL
  else
    rm -f "$APPLIED"
    echo "topics are not as declared yet; trying again in 10 s" >&2
    wait_for=10
  fi
  touch "$PASS"
  sleep "$wait_for" &
  wait $!
done
