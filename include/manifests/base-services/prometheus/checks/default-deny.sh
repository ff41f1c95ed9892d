#!/bin/sh
# A policy object proves nothing: the network plug-in has to enforce it. This pod's policy lets it reach Prometheus
# and nothing else. The API server is up, as Prometheus knows, so a connection to it has to fail. Plug-ins apply
# policies to a new pod with a delay, hence the repeats.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
target="${DENIED_URL:-https://kubernetes.default.svc:443/livez}"

up=$(promtool query instant "$server" 'sum(up{job="kubernetes-api"})' | sed -n 's/.*=> *\([0-9.]*\) .*/\1/p')
if [ "${up:-0}" = 0 ]; then
  echo "Prometheus sees no API server up, so a refused connection would prove nothing; mend check targets-up first" >&2
  exit 1
fi
echo "allowed: Prometheus answers, and sees $up API server(s) up"

attempt=0
while [ "$attempt" -lt 12 ]; do
  attempt=$((attempt + 1))
  # Only a connection's outcome matters; a TLS or HTTP error is an answer as well. wget leaves it on standard error.
  if wget -q -T 5 -O /dev/null --no-check-certificate "$target" 2>/tmp/outcome; then
    outcome=connected
  else
    outcome=$(tail -n 1 /tmp/outcome)
  fi
  case "$outcome" in
    *"bad address"* | *"resolve"*)
      echo "the name in $target does not resolve; look at CoreDNS and at the policy allow-dns" >&2
      exit 1 ;;
    *"timed out"* | *"can't connect"* | *"refused"* | *"unreachable"*)
      echo "attempt $attempt: blocked ($outcome)"
      echo "{\"check\":\"default-deny\",\"allowed\":true,\"blocked\":true,\"attempts\":$attempt}"
      exit 0 ;;
  esac
  echo "attempt $attempt: connected ($outcome); the policy may not have reached this pod yet"
  sleep 5
done
echo "a pod that no policy allows reached $target in each of $attempt attempts: network policies are not enforced." \
  "Turn enforcement on (EKS: enableNetworkPolicy in the vpc-cni add-on's configuration)" >&2
exit 1
