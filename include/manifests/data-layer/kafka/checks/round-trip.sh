#!/bin/sh
# Writes RECORDS records with acks=all to a topic of its own and reads them back with a new consumer group.
set -eu

export PATH="/opt/kafka/bin:$PATH"
records=${RECORDS:-1000}
name="check-round-trip-$(date +%s)-$$"
started=$(date +%s)

fail() { echo "round-trip: $1" >&2; exit 1; }

cleanup() {
  kafka-consumer-groups.sh --bootstrap-server "$BOOTSTRAP" --delete --group "$name" >/dev/null 2>&1 || true
  kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --delete --topic "$name" >/dev/null 2>&1 || echo "could not delete topic $name" >&2
}

echo "making topic $name: 3 partitions, $REPLICAS replicas, min ISR $MIN_ISR"
kafka-topics.sh --bootstrap-server "$BOOTSTRAP" --create --topic "$name" --partitions 3 \
  --replication-factor "$REPLICAS" --config "min.insync.replicas=$MIN_ISR" \
  || fail "could not make a topic with $REPLICAS replicas at $BOOTSTRAP; are $REPLICAS brokers up? (check quorum, pods app.kubernetes.io/name=kafka)"
trap cleanup EXIT

# The run's name is in every record, so that a record of another run cannot count.
seq 1 "$records" | sed "s/^/$name /" | sort >/tmp/written
kafka-console-producer.sh --bootstrap-server "$BOOTSTRAP" --topic "$name" --request-required-acks all </tmp/written \
  || fail "the producer failed; acks=all needs $MIN_ISR replicas in sync (check replication)"
echo "wrote $records records with acks=all"

kafka-console-consumer.sh --bootstrap-server "$BOOTSTRAP" --topic "$name" --group "$name" --from-beginning \
  --max-messages "$records" --timeout-ms 60000 >/tmp/read 2>/tmp/consumer.log || { cat /tmp/consumer.log >&2; fail "the consumer failed"; }
sort </tmp/read >/tmp/read.sorted
read_back=$(wc -l </tmp/read.sorted | tr -d ' ')
distinct=$(comm -12 /tmp/written /tmp/read.sorted | wc -l | tr -d ' ')
[ "$distinct" -eq "$records" ] || { cat /tmp/consumer.log >&2; fail "wrote $records records, read $read_back, of which $distinct are the ones written"; }
echo "read the same $distinct records back in group $name"
echo "{\"check\":\"round-trip\",\"written\":$records,\"read\":$distinct,\"replicas\":$REPLICAS,\"min_isr\":$MIN_ISR,\"seconds\":$(($(date +%s) - started))}"
