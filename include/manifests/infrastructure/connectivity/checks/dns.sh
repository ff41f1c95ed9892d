#!/bin/sh
# Inside and outside names, through the cluster's own resolver. curl resolves before it connects: code 6 alone means
# that the name did not resolve, and any other outcome that it did.
set -eu

# Without a region the global names do.
outside="${OUTSIDE_NAME:-sts.${AWS_REGION:+$AWS_REGION.}amazonaws.com}"
resolved=0
for name in kubernetes.default.svc "$outside"; do
  attempt=0
  while :; do
    attempt=$((attempt + 1))
    status=0
    curl --silent --output /dev/null --connect-timeout 3 --max-time 4 "telnet://$name:443" </dev/null || status=$?
    [ "$status" -eq 6 ] || break
    if [ "$attempt" -ge 5 ]; then
      echo "$name did not resolve in $attempt attempts; resolver: $(grep nameserver /etc/resolv.conf | head -n 1)." \
        "Look at the coredns pods, and at the VPC's DNS support for outside names" >&2
      exit 1
    fi
    sleep 2
  done
  echo "$name resolves"
  resolved=$((resolved + 1))
done
echo "{\"check\":\"dns\",\"resolved\":$resolved}"
