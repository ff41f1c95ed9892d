#!/bin/sh
# Pod Security admission is proved by asking for what it must refuse. Both requests are dry-runs: nothing is created.
set -eu

api="https://${KUBERNETES_SERVICE_HOST:-kubernetes.default.svc}:${KUBERNETES_SERVICE_PORT:-443}"
credentials=/var/run/secrets/kubernetes.io/serviceaccount
namespace=validation

# ask NAME SECURITY-CONTEXT: prints the status code; the answer is left in /tmp/answer
ask() {
  cat >/tmp/pod.json <<JSON
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$1"},
 "spec": {"automountServiceAccountToken": false, "containers": [{"name": "probe", "image": "registry.k8s.io/pause:3.10.1",
  "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "8Mi"}}, "securityContext": $2}]}}
JSON
  curl --silent --show-error --max-time 15 --cacert "$credentials/ca.crt" \
    --header "Authorization: Bearer $(cat "$credentials/token")" --header 'Content-Type: application/json' \
    --data @/tmp/pod.json --output /tmp/answer --write-out '%{http_code}' \
    "$api/api/v1/namespaces/$namespace/pods?dryRun=All"
}

privileged=$(ask guardrail-privileged '{"privileged": true}')
echo "privileged pod in $namespace: HTTP $privileged"
if [ "$privileged" != 403 ] || ! grep -q 'violates PodSecurity' /tmp/answer; then
  echo "a privileged pod in namespace $namespace got HTTP $privileged, wanted 403 'violates PodSecurity'; look at the" \
    "namespace's pod-security.kubernetes.io labels. The API said: $(head -c 300 /tmp/answer)" >&2
  exit 1
fi

restricted=$(ask guardrail-restricted '{"runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
  "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}')
echo "restricted pod in $namespace: HTTP $restricted"
if [ "$restricted" != 201 ]; then
  echo "a restricted pod in namespace $namespace got HTTP $restricted, wanted 201." \
    "The API said: $(head -c 300 /tmp/answer)" >&2
  exit 1
fi

echo "{\"check\":\"pod-security\",\"namespace\":\"$namespace\",\"privileged\":$privileged,\"restricted\":$restricted}"
