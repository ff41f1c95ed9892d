#!/bin/sh
# On ZooKeeper there is no quorum of controllers: every broker is registered, and one of them controls.
set -eu

export PATH="/opt/kafka/bin:$PATH"

fail() { echo "quorum: $1" >&2; exit 1; }

kafka-broker-api-versions.sh --bootstrap-server "$BOOTSTRAP" >/tmp/brokers 2>/tmp/error \
  || fail "no broker at $BOOTSTRAP answered: $(tail -n 3 /tmp/error). Look at the pods app.kubernetes.io/name=kafka, and at ZooKeeper's checks"
brokers=$(grep -c '(id: [0-9]* rack:' /tmp/brokers || true)
[ "$brokers" -eq "$BROKERS" ] || fail "$brokers brokers are registered in ZooKeeper, expected $BROKERS: $(grep '(id:' /tmp/brokers | tr '\n' ' ')"
echo "$brokers brokers are registered"
echo "{\"check\":\"quorum\",\"brokers\":$brokers,\"metadata\":\"zookeeper\"}"
