#!/bin/sh
# The Watchdog alert fires always, so its arrival proves discovery, delivery and the API in one go.
set -eu

server="${ALERTMANAGER_URL:-http://alertmanager.monitoring.svc:9093}"
started=$(date +%s)
deadline=$((started + ${WAIT_SECONDS:-150}))

until amtool --alertmanager.url="$server" alert query alertname=Watchdog --output=extended >/tmp/alerts 2>/tmp/error &&
  grep -q Watchdog /tmp/alerts; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "no Watchdog alert at $server. Look at Prometheus' /config for its alertmanagers, and at the network policies" \
      "prometheus and alertmanager. Last error: $(cat /tmp/error)" >&2
    exit 1
  fi
  echo "waiting for the Watchdog alert"
  sleep 5
done
alerts=$(grep -c alertname= /tmp/alerts)
echo "the Watchdog alert arrived"
echo "{\"check\":\"watchdog-arrives\",\"alerts\":$alerts,\"waited_seconds\":$(($(date +%s) - started))}"
