#!/bin/sh
# Looks through every image of the platform for known vulnerabilities that are critical and that a newer image mends.
# The list is generated from the manifests. One JSON line for each image; fails when one has such a vulnerability.
set -eu

list="${IMAGES:-/etc/image-scan/images.txt}"
scanned=0
unreadable=0
vulnerable=0
while read -r image; do
  case "$image" in '' | '#'*) continue ;; esac
  if trivy image --quiet --scanners vuln --severity CRITICAL --ignore-unfixed --image-src remote --format json \
    --timeout "${TIMEOUT:-15m}" --output /tmp/report.json "$image" 2>/tmp/error; then
    scanned=$((scanned + 1))
    # Trivy writes one identifier to a line.
    found=$(grep -o '"VulnerabilityID": *"[^"]*"' /tmp/report.json | sort -u | sed 's/.*: *"\(.*\)"/\1/' | tr '\n' ' ')
    count=$(echo "$found" | wc -w | tr -d ' ')
    [ "$count" = 0 ] || vulnerable=$((vulnerable + 1))
    echo "{\"image\":\"$image\",\"critical\":$count,\"ids\":\"${found% }\"}"
  else
    unreadable=$((unreadable + 1))
    echo "{\"image\":\"$image\",\"error\":\"$(tr -d '"\\' </tmp/error | tail -n 1 | cut -c 1-200)\"}"
  fi
done <"$list"
echo "{\"scanned\":$scanned,\"vulnerable\":$vulnerable,\"unreadable\":$unreadable}"
if [ "$scanned" = 0 ]; then
  echo "no image could be scanned: is the way to the registries and to Trivy's database open?" >&2
  exit 1
fi
[ "$vulnerable" = 0 ] && [ "$unreadable" = 0 ]
