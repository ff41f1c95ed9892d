#!/bin/sh
# The stream, seen from outside: events come in, every query ends batches, files in HDFS become more.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
started=$(date +%s)
deadline=$((started + ${WAIT_SECONDS:-240}))

value() { promtool query instant "$server" "$1" 2>/tmp/error | sed -n 's/.*=> *\([0-9.e+-]*\) .*/\1/p' | head -n 1; }
whole() { printf '%.0f' "${1:-0}"; }

produced=$(value 'sum(kafka_topic_partition_current_offset{topic="events-raw"})')
through=$(value 'sum(stream_input_rows_total{query="sums"})')
files=$(value 'max(fs_namesystem_files_total)')
[ -n "$produced" ] && [ -n "$through" ] && [ -n "$files" ] || {
  echo "no metrics of the stream: topic events-raw ${produced:-missing}, query sums ${through:-missing}, files in HDFS ${files:-missing}." \
    "See check every-service-measured. Last error: $(cat /tmp/error)" >&2
  exit 1
}
while :; do
  sleep 10
  more_produced=$(($(whole "$(value 'sum(kafka_topic_partition_current_offset{topic="events-raw"})')") - $(whole "$produced")))
  more_through=$(($(whole "$(value 'sum(stream_input_rows_total{query="sums"})')") - $(whole "$through")))
  more_files=$(($(whole "$(value 'max(fs_namesystem_files_total)')") - $(whole "$files")))
  oldest=$(whole "$(value 'max(stream_batch_age_seconds)')")
  if [ "$more_produced" -gt 0 ] && [ "$more_through" -gt 0 ] && [ "$more_files" -gt 0 ] && [ "$oldest" -lt 120 ]; then break; fi
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "in $(($(date +%s) - started)) s: $more_produced events more in Kafka, $more_through through Spark, $more_files files in HDFS," \
      "the slowest query ended a batch $oldest s ago. Nothing in Kafka: deployment data/stream-source. Nothing through Spark: pod" \
      "data/stream-job-0 and alert StreamStandsStill. No files: HDFS's alerts" >&2
    exit 1
  fi
  echo "Kafka +$more_produced, Spark +$more_through, HDFS +$more_files files, slowest batch $oldest s ago"
done
echo "Kafka +$more_produced, Spark +$more_through, HDFS +$more_files files"
echo "{\"check\":\"stream-keeps-up\",\"events\":$more_produced,\"through_spark\":$more_through,\"files\":$more_files,\"seconds\":$(($(date +%s) - started))}"
