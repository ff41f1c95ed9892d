"""Objects to apply: what a component typically brings, ten at a time, with workloads of no replicas."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
PER_GROUP = 10


def namespace(name: str) -> Manifest:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def objects(count: int, where: str) -> list[Manifest]:
    """``count`` objects of namespace ``where``, which is also the component they are labelled with."""
    groups = -(-count // PER_GROUP)
    return [item for number in range(groups) for item in _group(f"part-{number:03d}", where)][:count]


def _group(name: str, where: str) -> list[Manifest]:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "slipway", "slipway.dev/component": where}
    selector = {"matchLabels": {"app.kubernetes.io/name": name}}

    def item(api_version: str, kind: str, suffix: str = "", **body: Any) -> Manifest:
        meta = {"name": name + suffix, "namespace": where, "labels": labels}
        return {"apiVersion": api_version, "kind": kind, "metadata": meta, **body}

    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": where}
    settings = {f"setting-{number}": f"value-{number}" * 4 for number in range(20)}
    script = "\n".join(f"echo step {number} of the check" for number in range(60))
    return [
        item("v1", "ServiceAccount"),
        item(f"{rbac}/v1", "Role", rules=rules),
        item(
            f"{rbac}/v1",
            "RoleBinding",
            roleRef={"apiGroup": rbac, "kind": "Role", "name": name},
            subjects=[subject],
        ),
        item("v1", "ConfigMap", data=settings),
        item("v1", "ConfigMap", "-checks", data={"round-trip.sh": script}),
        item("v1", "ConfigMap", "-dashboard", data={"dashboard.json": "{" + '"panel": 1,' * 300 + '"last": 1}'}),
        item("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": selector, "policyTypes": ["Ingress"]}),
        item(
            "v1",
            "Service",
            spec={
                "clusterIP": "None",
                "selector": selector["matchLabels"],
                "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
            },
        ),
        item("policy/v1", "PodDisruptionBudget", spec={"maxUnavailable": 1, "selector": selector}),
        item("apps/v1", "Deployment", spec=_workload(name, labels, selector)),
    ]


def _workload(name: str, labels: dict[str, str], selector: dict[str, Any]) -> Manifest:
    probe = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10}
    container = {
        "name": name,
        "image": "registry.k8s.io/pause:3.10",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"VARIABLE_{number}", "value": str(number)} for number in range(8)],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "serviceAccountName": name,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    # No replicas: the controllers' own work on pods would be measured otherwise.
    return {"replicas": 0, "selector": selector, "template": {"metadata": {"labels": labels}, "spec": pod}}
