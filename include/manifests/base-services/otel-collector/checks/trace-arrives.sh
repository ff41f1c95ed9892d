#!/bin/sh
# Sends one span to the collector, as an application does, and asks Jaeger for it: the whole way of a trace.
set -eu

ingest="${OTLP_URL:-http://otel-collector.monitoring.svc:4318}"
query="${JAEGER_URL:-http://jaeger.monitoring.svc:16686}"
service=slipway-check-collector
trace=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
span=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n')
now=$(date +%s)
deadline=$((now + ${WAIT_SECONDS:-60}))

cat >/tmp/span.json <<JSON
{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "$service"}}]},
  "scopeSpans": [{"spans": [{"traceId": "$trace", "spanId": "$span", "name": "check", "kind": 1,
    "startTimeUnixNano": "${now}000000000", "endTimeUnixNano": "${now}500000000"}]}]}]}
JSON

status=$(curl --silent --show-error --max-time 15 --output /tmp/answer --write-out '%{http_code}' \
  --header 'Content-Type: application/json' --data @/tmp/span.json "$ingest/v1/traces" 2>/tmp/error || true)
if [ "$status" != 200 ]; then
  echo "a span sent to $ingest got HTTP ${status:-nothing}, wanted 200. Look at the pod's log and its port 4318." \
    "It said: $(head -c 300 /tmp/answer 2>/dev/null || true) $(cat /tmp/error)" >&2
  exit 1
fi
echo "span $span of trace $trace was accepted"

while :; do
  status=$(curl --silent --show-error --max-time 15 --output /tmp/answer --write-out '%{http_code}' \
    "$query/api/traces/$trace" 2>/tmp/error || true)
  [ "$status" = 200 ] && grep -qi "$span" /tmp/answer && break
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "trace $trace was accepted but never reached Jaeger (HTTP ${status:-nothing}). Look for export errors in the" \
      "collector's log, and whether Jaeger is ready. It said: $(head -c 300 /tmp/answer 2>/dev/null || true) $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "not found yet; waiting"
  sleep 2
done
seconds=$(($(date +%s) - now))
echo "found after $seconds s"
echo "{\"check\":\"trace-arrives\",\"spans\":1,\"seconds\":$seconds}"
