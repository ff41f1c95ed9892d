#!/bin/sh
# Sends EVENTS marked events into Kafka, and among them REJECTS records that are none: those come back as dead letters.
# The events themselves are followed by the checks sums (MongoDB) and files (HDFS), by their kind check-EVENTS-TIME.
set -eu

export PATH="/opt/kafka/bin:$PATH"
started=$(date +%s)
kind="check-$EVENTS-$started"
group="check-$started-$$"
deadline=$((started + ${WAIT_SECONDS:-240}))

fail() { echo "events: $1" >&2; exit 1; }
cleanup() { kafka-consumer-groups.sh --bootstrap-server "$BOOTSTRAP" --delete --group "$group" >/dev/null 2>&1 || true; }
trap cleanup EXIT

now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
{
  seq 1 "$EVENTS" | sed "s/.*/{\"id\":\"$kind-&\",\"at\":\"$now\",\"kind\":\"$kind\",\"user\":\"check-&\",\"amount\":1}/"
  seq 1 "$REJECTS" | sed "s/.*/no event $kind &/"
} | kafka-console-producer.sh --bootstrap-server "$BOOTSTRAP" --topic events-raw --request-required-acks all 2>/tmp/error \
  || fail "events could not be sent to $BOOTSTRAP: $(tail -n 3 /tmp/error). See Kafka's checks"
echo "sent $EVENTS events of kind $kind and $REJECTS records that are none"

found=0
while [ "$found" -lt "$REJECTS" ]; do
  [ "$(date +%s)" -lt "$deadline" ] || fail "$found of $REJECTS dead letters after $(($(date +%s) - started)) s. Look at pod data/stream-job-0, and whether Spark has a core free for it (its page, SparkJobsWait)"
  # A new group reads from the beginning; it goes on where it stopped.
  kafka-console-consumer.sh --bootstrap-server "$BOOTSTRAP" --topic events-dead-letter --group "$group" --from-beginning \
    --timeout-ms 8000 2>/dev/null | grep -F "no event $kind " >>/tmp/letters || true
  found=$(sort -u /tmp/letters | wc -l | tr -d ' ')
  echo "$found of $REJECTS dead letters"
done
echo "{\"check\":\"events\",\"sent\":$EVENTS,\"rejected\":$found,\"seconds\":$(($(date +%s) - started))}"
