#!/bin/sh
# k6 drives http-latency.js and prints its numbers; a missed threshold is exit code 99.
set -eu

status=0
k6 run --quiet --no-usage-report --address localhost:0 "$(dirname "$0")/http-latency.js" || status=$?
case "$status" in
  0) ;;
  99)
    echo "the error rate or the 95th percentile is above its limit (MAXIMUM_ERROR_RATE, MAXIMUM_P95_MS); the numbers" \
      "are above. Look at dashboard 'Application metrics'" >&2
    exit 1 ;;
  *)
    echo "k6 ended with code $status; is $TARGET_URL reachable from namespace validation?" >&2
    exit 1 ;;
esac
