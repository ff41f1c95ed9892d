#!/bin/sh
# Across three namespaces: records produced from here into Kafka are consumed here, and arrive as numbers in
# Prometheus by way of the Kafka exporter.
set -eu

PATH="/opt/kafka/bin:$PATH"
bootstrap="${BOOTSTRAP:-kafka.streaming.svc.cluster.local:9092}"
prometheus="${PROMETHEUS:-prometheus.monitoring.svc:9090}"
records="${RECORDS:-500}"
# Not "check-…": the exporter leaves those topics out.
topic="end-to-end-$(date +%s)-$$"
started=$(date +%s)

cleanup() { kafka-topics.sh --bootstrap-server "$bootstrap" --delete --topic "$topic" >/dev/null 2>&1 || true; }
trap cleanup EXIT

# The image has neither curl nor, for certain, wget; bash it has, because Kafka's scripts need it.
ask_prometheus() {
  timeout 10 bash -c 'exec 3<>"/dev/tcp/${1%:*}/${1##*:}" && printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$2" "$1" >&3 &&
    cat <&3' ask "$prometheus" "/api/v1/query?query=$1" 2>/tmp/error || true
}

kafka-topics.sh --bootstrap-server "$bootstrap" --create --topic "$topic" --partitions 3 >/dev/null || {
  echo "topic $topic could not be made at $bootstrap; look at the network policy streaming/kafka and at its pods" >&2
  exit 1
}
seq 1 "$records" | sed "s/^/$topic-/" |
  kafka-console-producer.sh --bootstrap-server "$bootstrap" --topic "$topic" --request-required-acks all
echo "produced $records records to $topic"

read=$(kafka-console-consumer.sh --bootstrap-server "$bootstrap" --topic "$topic" --from-beginning \
  --max-messages "$records" --timeout-ms 60000 2>/dev/null | grep -c "^$topic-" || true)
if [ "$read" -ne "$records" ]; then
  echo "produced $records records to $topic and read $read back" >&2
  exit 1
fi
echo "consumed $read records"

deadline=$(($(date +%s) + ${WAIT_SECONDS:-120}))
query="sum(kafka_topic_partition_current_offset%7Btopic%3D%22$topic%22%7D)"
while :; do
  seen=$(ask_prometheus "$query" | sed -n 's/.*"value":\[[0-9.]*,"\([0-9]*\)"\].*/\1/p')
  [ "${seen:-0}" -ne "$records" ] || break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "Prometheus knows ${seen:-no} of the $records records of $topic; look at the kafka-exporter's log and target." \
      "Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "Prometheus knows ${seen:-0} records; waiting"
  sleep 5
done
echo "Prometheus knows all of them"
seconds=$(($(date +%s) - started))
echo "{\"check\":\"stream-to-metrics\",\"produced\":$records,\"consumed\":$read,\"measured\":$seen,\"seconds\":$seconds}"
