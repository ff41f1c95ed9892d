#!/bin/sh
# A source of events: RATE of them a second into topic events-raw, for ever. Stands in for the applications of a company.
set -eu

export PATH="/opt/kafka/bin:$PATH"

events() {
  number=0
  kinds="view cart order payment return"
  while :; do
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    i=0
    while [ "$i" -lt "$RATE" ]; do
      number=$((number + 1))
      i=$((i + 1))
      # shellcheck disable=SC2086 # one word per kind is meant
      set -- $kinds
      shift $((number % 5))
      printf 'user-%d\t{"id":"%s-%d","at":"%s","kind":"%s","user":"user-%d","amount":%d.%02d}\n' \
        $((number % 97)) "$RUN" "$number" "$now" "$1" $((number % 97)) $((number % 40)) $((number % 100))
    done
    touch /tmp/alive
    sleep 1
  done
}

RUN="$HOSTNAME-$(date +%s)"
events | kafka-console-producer.sh --bootstrap-server "$BOOTSTRAP" --topic events-raw --request-required-acks all \
  --reader-property parse.key=true --compression-codec lz4
