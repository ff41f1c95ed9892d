#!/bin/sh
# The scanner fetches its database and reads an image from a registry. An image of a single file makes it quick.
set -eu

image="${IMAGE:-registry.k8s.io/pause:3.10.1}"
export TRIVY_CACHE_DIR=/tmp/trivy HOME=/tmp
started=$(date +%s)
if ! trivy image --quiet --scanners vuln --image-src remote --format json --timeout 3m --output /tmp/report.json "$image" \
  2>/tmp/error; then
  echo "$image could not be scanned. Is TCP port 443 open to the registries and to Trivy's database, and is the version" \
    "still served? Trivy said: $(tail -n 3 /tmp/error)" >&2
  exit 1
fi
if ! grep -q '"ArtifactName"' /tmp/report.json; then
  echo "Trivy wrote no report on $image: $(head -c 300 /tmp/report.json)" >&2
  exit 1
fi
seconds=$(($(date +%s) - started))
echo "$image was scanned in $seconds s"
echo "{\"check\":\"scanner-works\",\"image\":\"$image\",\"seconds\":$seconds}"
