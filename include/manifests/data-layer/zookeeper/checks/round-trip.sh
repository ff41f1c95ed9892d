#!/bin/sh
# What is written through one server is read through every other.
set -eu

domain=${DOMAIN:-zookeeper-headless.streaming.svc.cluster.local}
node="/check-$(date +%s)-$$"
value="value-of-$node"
started=$(date +%s)

fail() { echo "round-trip: $1" >&2; exit 1; }
at() {
  server=$1
  shift
  timeout 60 zkCli.sh -server "zookeeper-$server.$domain:2181" "$@" 2>/tmp/error
}
cleanup() { at 0 delete "$node" >/dev/null 2>&1 || true; }
trap cleanup EXIT

at 0 create "$node" "$value" >/tmp/out || fail "zookeeper-0 refuses to write: $(tail -n 3 /tmp/error) (see check quorum)"
read_by=0
index=1
while [ "$index" -lt "$SERVERS" ]; do
  # A follower may be a moment behind; sync waits for it.
  at "$index" sync "$node" >/dev/null || true
  at "$index" get "$node" >/tmp/out || fail "zookeeper-$index does not have $node: $(tail -n 3 /tmp/error)"
  grep -qxF "$value" /tmp/out || fail "zookeeper-$index has another value for $node: $(tail -n 3 /tmp/out)"
  read_by=$((read_by + 1))
  index=$((index + 1))
done
echo "$node written through zookeeper-0, read through $read_by others"
echo "{\"check\":\"round-trip\",\"written\":1,\"read_by\":$read_by,\"seconds\":$(($(date +%s) - started))}"
