#!/bin/sh
# Asks the running configuration, not the file in Git.
set -eu

server="${ALERTMANAGER_URL:-http://alertmanager.monitoring.svc:9093}"
tested=0
for pair in critical:page warning:ticket none:default; do
  severity="${pair%%:*}"
  wanted="${pair#*:}"
  found=$(amtool --alertmanager.url="$server" config routes test alertname=SlipwayRouteCheck "severity=$severity" |
    tail -n 1)
  if [ "$found" != "$wanted" ]; then
    echo "an alert of severity $severity goes to receiver '$found', wanted '$wanted'; look at the route in" \
      "alertmanager.yml ($server/#/status shows what is in force)" >&2
    exit 1
  fi
  echo "$severity goes to $found"
  tested=$((tested + 1))
done
echo "{\"check\":\"routes-by-severity\",\"routes\":$tested}"
