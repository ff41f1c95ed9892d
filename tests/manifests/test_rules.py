"""Guards the guards: a pod and objects that break every rule are found out, rule by rule."""

from __future__ import annotations

import copy

from tests.manifests.object_rules import object_violations, platform_violations
from tests.manifests.pod_rules import pod_violations
from tests.manifests.rendering import MANIFESTS, Manifest, kustomize

BAD: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "bad"},
    "spec": {
        "replicas": 2,
        "template": {
            "metadata": {"labels": {"app": "bad", "slipway.dev/kubernetes-api": "true"}},
            "spec": {
                "hostPID": True,
                "nodeSelector": {"a": "b"},
                "containers": [
                    {
                        "name": "bad",
                        "image": "example/bad:latest",
                        "ports": [{"containerPort": 80, "hostPort": 80}],
                        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}],
                        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
                    }
                ],
                "volumes": [
                    {"name": "host", "hostPath": {"path": "/etc"}},
                    {"name": "scratch", "emptyDir": {}},
                    {"name": "claim", "persistentVolumeClaim": {"claimName": "x"}},
                ],
            },
        },
    },
}
POD_RULES = {
    "service-links", "token", "own-service-account", "priority-class", "host-namespaces", "kubernetes-api", "host-path",
    "empty-dir-limit", "run-as-non-root", "run-as-user", "privilege-escalation", "read-only-root", "drop-all",
    "seccomp", "requests", "memory-limit", "image-tag", "host-port", "secret-in-clear", "probes",
}  # fmt: skip


def test_a_bad_pod_breaks_every_rule() -> None:
    assert {violation.rule for violation in pod_violations(BAD)} == POD_RULES
    found = {violation.rule for violation in object_violations(BAD, "bad")}
    assert found == {"labels", "namespace", "spread", "placement", "one-writer"}


def test_bad_objects_are_found() -> None:
    role = {
        "kind": "ClusterRole",
        "metadata": {"name": "bad"},
        "rules": [{"apiGroups": ["*"], "resources": ["secrets"], "verbs": ["get"]}],
    }
    assert {"rbac-wildcard", "rbac-secrets"} <= {found.rule for found in object_violations(role, "bad")}
    settings = {"kind": "ConfigMap", "metadata": {"name": "bad"}, "data": {"url": "mysql://root:hunter2@db/x"}}
    assert "secret-in-clear" in {found.rule for found in object_violations(settings, "bad")}
    service = {"kind": "Service", "metadata": {"name": "bad"}, "spec": {"type": "LoadBalancer"}}
    assert "service-type" in {found.rule for found in object_violations(service, "bad")}


def test_missing_neighbours_are_found() -> None:
    objects = kustomize(MANIFESTS / "base-services" / "alertmanager")
    made = {
        "kind": "Namespace",
        "metadata": {"name": "monitoring", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}},
    }
    kept = [one for one in objects if one["kind"] not in ("NetworkPolicy", "PodDisruptionBudget", "ServiceAccount")]
    kept = [one for one in kept if one["metadata"]["name"] != "alertmanager-headless"]
    broken = copy.deepcopy(kept)
    for one in broken:
        if one["kind"] == "Service":
            one["spec"]["ports"][0]["targetPort"] = "elsewhere"
    found = {violation.rule for violation in platform_violations([made, *broken])}
    assert found == {
        "pod-security", "quota", "default-deny", "network-policy", "pdb", "own-service-account", "service",
    }  # fmt: skip
