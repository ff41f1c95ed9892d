#!/bin/sh
# Sends one span the way an application does, and asks for it the way a person does.
set -eu

ingest="${OTLP_URL:-http://jaeger.monitoring.svc:4318}"
query="${JAEGER_URL:-http://jaeger.monitoring.svc:16686}"
service=slipway-check
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
    echo "trace $trace was accepted but is not found (HTTP ${status:-nothing}). Is the volume full or read-only? See the" \
      "pod's log for badger. It said: $(head -c 300 /tmp/answer 2>/dev/null || true) $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "not found yet; waiting"
  sleep 2
done
seconds=$(($(date +%s) - now))
echo "found after $seconds s"
echo "{\"check\":\"trace-found\",\"spans\":1,\"seconds\":$seconds}"
