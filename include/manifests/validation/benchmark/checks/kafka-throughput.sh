#!/bin/sh
# Kafka's own performance tools, with acks=all, because that is how the platform writes. The numbers are the
# product; the check fails when records are lost or the floor in MINIMUM_MB_PER_SECOND is missed.
set -eu

PATH="/opt/kafka/bin:$PATH"
bootstrap="${BOOTSTRAP:-kafka.streaming.svc.cluster.local:9092}"
records="${RECORDS:-50000}"
size="${RECORD_BYTES:-1024}"
rate="${LATENCY_RATE:-500}"
latency_seconds="${LATENCY_SECONDS:-10}"
floor="${MINIMUM_MB_PER_SECOND:-1}"
topic="check-benchmark-$(date +%s)-$$"

cleanup() { kafka-topics.sh --bootstrap-server "$bootstrap" --delete --topic "$topic" >/dev/null 2>&1 || true; }
trap cleanup EXIT

kafka-topics.sh --bootstrap-server "$bootstrap" --create --topic "$topic" --partitions 6 >/dev/null || {
  echo "topic $topic could not be made at $bootstrap; look at the pods of streaming/kafka" >&2
  exit 1
}
# produce RECORDS RATE: prints the tool's last line,
# N records sent, R records/sec (M MB/sec), A ms avg latency, X ms max latency, a ms 50th, b ms 95th, c ms 99th, …
produce() {
  kafka-producer-perf-test.sh --topic "$topic" --num-records "$1" --record-size "$size" --throughput "$2" \
    --bootstrap-server "$bootstrap" --command-property acks=all linger.ms=5 batch.size=65536 \
    >/tmp/produced 2>/tmp/error || {
    echo "the producer stopped: $(tail -n 3 /tmp/error)" >&2
    return 1
  }
  grep "^$1 records sent" /tmp/produced || {
    echo "records are missing: $(tail -n 1 /tmp/produced)" >&2
    return 1
  }
}
number() { printf '%s' "$1" | sed -n "s/.*[ (]\([0-9.]*\) $2.*/\1/p"; }

echo "producing $records records of $size bytes with acks=all, as fast as they go"
summary=$(produce "$records" -1)
echo "$summary"
produced_mb=$(number "$summary" 'MB\/sec')

# Percentiles of a saturated producer only tell how long its queue is, so they are taken at a rate that it can hold.
echo "producing at $rate records a second for $latency_seconds s"
summary=$(produce "$((rate * latency_seconds))" "$rate")
echo "$summary"
p50=$(number "$summary" 'ms 50th')
p95=$(number "$summary" 'ms 95th')
p99=$(number "$summary" 'ms 99th')
if [ -z "$produced_mb" ] || [ -z "$p50" ] || [ -z "$p95" ] || [ -z "$p99" ]; then
  echo "the producer's summary was not understood: '$summary'" >&2
  exit 1
fi

echo "consuming them"
kafka-consumer-perf-test.sh --bootstrap-server "$bootstrap" --topic "$topic" --num-records "$records" --timeout 60000 \
  --hide-header >/tmp/consumed 2>/tmp/error || {
  echo "the consumer stopped: $(tail -n 3 /tmp/error)" >&2
  exit 1
}
cat /tmp/consumed
# start, end, MB consumed, MB/s, records consumed, records/s, …
consumed_mb=$(awk -F', *' 'NF >= 6 {print $4}' /tmp/consumed | tail -n 1)
consumed=$(awk -F', *' 'NF >= 6 {print $5}' /tmp/consumed | tail -n 1)
if [ "${consumed:-0}" -lt "$records" ]; then
  echo "consumed ${consumed:-0} of $records records: $(tail -n 3 /tmp/error)" >&2
  exit 1
fi
if [ "$(awk -v found="$produced_mb" -v floor="$floor" 'BEGIN {print (found >= floor)}')" != 1 ]; then
  echo "produced $produced_mb MB/s, at least $floor wanted; look at the brokers' CPU, and at NodeDiskSlow" >&2
  exit 1
fi
echo "{\"check\":\"kafka-throughput\",\"records\":$records,\"record_bytes\":$size,\"produce_mb_per_second\":$produced_mb,\"consume_mb_per_second\":$consumed_mb,\"produce_p50_ms\":$p50,\"produce_p95_ms\":$p95,\"produce_p99_ms\":$p99}"
