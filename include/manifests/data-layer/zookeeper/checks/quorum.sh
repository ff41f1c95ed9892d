#!/bin/sh
# One leader, all others following, all followers in sync: asked of each server by itself.
set -eu

domain=${DOMAIN:-zookeeper-headless.streaming.svc.cluster.local}
deadline=$(($(date +%s) + ${WAIT_SECONDS:-90}))

fail() { echo "quorum: $1" >&2; exit 1; }

while :; do
  leaders=0 followers=0 synced=0 state=
  index=0
  while [ "$index" -lt "$SERVERS" ]; do
    if curl --silent --show-error --fail --max-time 5 --output /tmp/monitor "http://zookeeper-$index.$domain:${ADMIN_PORT:-8080}/commands/monitor" 2>/tmp/error; then
      role=$(sed -n 's/.*"server_state" *: *"\([a-z]*\)".*/\1/p' /tmp/monitor)
    else
      role="does not answer"
    fi
    case "$role" in
      leader)
        leaders=$((leaders + 1))
        synced=$(sed -n 's/.*"synced_followers" *: *\([0-9]*\).*/\1/p' /tmp/monitor)
        ;;
      follower) followers=$((followers + 1)) ;;
    esac
    state="$state zookeeper-$index: ${role:-no state};"
    index=$((index + 1))
  done
  [ "$leaders" -ne 1 ] || [ "$followers" -ne $((SERVERS - 1)) ] || [ "${synced:-0}" -ne "$followers" ] || break
  [ "$(date +%s)" -lt "$deadline" ] || fail "$state ${synced:-0} followers in sync, wanted one leader and $((SERVERS - 1)) followers in sync. Look at the pods app.kubernetes.io/name=zookeeper and at the network policy zookeeper (2888, 3888)"
  echo "waiting:$state"
  sleep 3
done
echo "$state $synced in sync"
echo "{\"check\":\"quorum\",\"leaders\":$leaders,\"followers\":$followers,\"synced\":$synced}"
