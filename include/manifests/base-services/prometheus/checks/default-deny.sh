#!/bin/sh
# A policy object proves nothing: the network plug-in has to enforce it. This pod's policy lets it reach Prometheus
# and nothing else. The API server is up, as Prometheus knows, so a connection to it has to fail. Plug-ins apply
# policies to a new pod with a delay, hence the repeats.
set -eu

server="${PROMETHEUS_URL:-http://prometheus.monitoring.svc:9090}"
target="${DENIED_URL:-https://kubernetes.default.svc:443}"

up=$(promtool query instant "$server" 'sum(up{job="kubernetes-api"})' | sed -n 's/.*=> *\([0-9.]*\) .*/\1/p')
if [ "${up:-0}" = 0 ]; then
  echo "Prometheus sees no API server up, so a refused connection would prove nothing; mend check targets-up first" >&2
  exit 1
fi
echo "allowed: Prometheus answers, and sees $up API server(s) up"

attempt=0
while [ "$attempt" -lt 12 ]; do
  attempt=$((attempt + 1))
  # promtool serves as a client whose errors are plain: any answer, a TLS or HTTP error too, is a connection.
  status=0
  timeout 8 promtool query instant "$target" up >/tmp/outcome 2>&1 || status=$?
  outcome=$(tail -n 1 /tmp/outcome)
  case "$status:$outcome" in
    *"no such host"* | *"server misbehaving"*)
      echo "the name in $target does not resolve ($outcome); look at CoreDNS and at the policy allow-dns" >&2
      exit 1 ;;
    124:* | 143:* | *"i/o timeout"* | *"connection refused"* | *"no route to host"* | *"unreachable"*)
      echo "attempt $attempt: blocked (${outcome:-no answer within 8 s})"
      echo "{\"check\":\"default-deny\",\"allowed\":true,\"blocked\":true,\"attempts\":$attempt}"
      exit 0 ;;
  esac
  echo "attempt $attempt: connected ($outcome); the policy may not have reached this pod yet"
  sleep 5
done
echo "a pod that no policy allows reached $target in each of $attempt attempts: network policies are not enforced." \
  "Turn enforcement on (EKS: enableNetworkPolicy in the vpc-cni add-on's configuration)" >&2
exit 1
