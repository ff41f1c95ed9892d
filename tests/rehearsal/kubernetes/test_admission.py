"""Admission: Pod Security, quotas, limit ranges, missing references."""

from __future__ import annotations

from typing import Any

import kubernetes.client as k8s
import pytest

from tests.rehearsal.kubernetes.support import deployment, eventually, refused

SAFE = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str = "p", context: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app:1", "securityContext": context or {}}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def enforce(core: k8s.CoreV1Api, namespace: str, level: str, mode: str = "enforce") -> None:
    core.patch_namespace(namespace, {"metadata": {"labels": {f"pod-security.kubernetes.io/{mode}": level}}})


BASELINE = {
    "privileged": (pod(context={"privileged": True}), "privileged"),
    "host network": (pod(hostNetwork=True), "host namespaces (hostNetwork=true)"),
    "host path": (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
    "capability": (pod(context={"capabilities": {"add": ["SYS_ADMIN"]}}), "non-default capabilities"),
}


@pytest.mark.parametrize("case", BASELINE)
def test_baseline(core: k8s.CoreV1Api, namespace: str, case: str) -> None:
    enforce(core, namespace, "baseline")
    body, text = BASELINE[case]
    status = refused(lambda: core.create_namespaced_pod(namespace, body))
    assert status["code"] == 403
    assert 'violates PodSecurity "baseline:latest": ' in status["message"]
    assert text in status["message"]


def test_restricted_refuses_by_every_control_and_accepts_a_safe_pod(core: k8s.CoreV1Api, namespace: str) -> None:
    enforce(core, namespace, "restricted")
    status = refused(lambda: core.create_namespaced_pod(namespace, pod()))
    assert status["message"] == (
        'pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
        '(container "app" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities '
        '(container "app" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or '
        'container "app" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "app" must '
        'set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    core.create_namespaced_pod(namespace, pod(context=SAFE))


def test_workloads_are_admitted_but_their_pods_fail_with_an_event(
    core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str
) -> None:
    enforce(core, namespace, "restricted")
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    event = eventually(lambda: core.list_namespaced_event(namespace, field_selector="reason=FailedCreate").items)[0]
    assert 'violates PodSecurity "restricted:latest"' in event.message
    failure = eventually(
        lambda: [
            c
            for c in apps.read_namespaced_deployment("web", namespace).status.conditions or []
            if c.type == "ReplicaFailure"
        ]
    )
    assert "violates PodSecurity" in failure[0].message


def test_warn_mode_warns(core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str) -> None:
    enforce(core, namespace, "restricted", "warn")
    body = deployment("web", namespace)

    def warning() -> str:
        answer = apps.create_namespaced_deployment_with_http_info(namespace, body, dry_run="All")
        return str(answer[2].get("Warning", ""))

    # A kube-apiserver learns of the new label a moment later.
    assert 'would violate PodSecurity \\"restricted:latest\\"' in eventually(warning)


def test_quota(core: k8s.CoreV1Api, namespace: str) -> None:
    hard = {"pods": "2", "requests.cpu": "1", "count/configmaps": "1"}
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    eventually(lambda: core.read_namespaced_resource_quota("q", namespace).status.hard)
    body = pod("a")
    status = refused(lambda: core.create_namespaced_pod(namespace, body))
    assert "failed quota: q: must specify requests.cpu for: app" in status["message"]
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "700m"}}
    core.create_namespaced_pod(namespace, body)
    body["metadata"]["name"] = "b"
    status = refused(lambda: core.create_namespaced_pod(namespace, body))
    assert status["message"] == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=700m, used: requests.cpu=700m, '
        "limited: requests.cpu=1"
    )
    used = eventually(lambda: core.read_namespaced_resource_quota("q", namespace).status.used)
    assert (used["pods"], used["requests.cpu"]) == ("1", "700m")


def test_limit_range_defaults_and_bounds(core: k8s.CoreV1Api, namespace: str) -> None:
    limit = {
        "type": "Container",
        "default": {"memory": "128Mi"},
        "defaultRequest": {"memory": "64Mi"},
        "max": {"memory": "1Gi"},
    }
    core.create_namespaced_limit_range(namespace, {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    resources = core.create_namespaced_pod(namespace, pod("a")).spec.containers[0].resources
    assert (resources.limits["memory"], resources.requests["memory"]) == ("128Mi", "64Mi")
    big = pod("b")
    big["spec"]["containers"][0]["resources"] = {"limits": {"memory": "2Gi"}}
    status = refused(lambda: core.create_namespaced_pod(namespace, big))
    assert "maximum memory usage per Container is 1Gi, but limit is 2Gi" in status["message"]


def test_missing_references_are_refused(core: k8s.CoreV1Api, namespace: str) -> None:
    status = refused(lambda: core.create_namespaced_pod(namespace, pod(serviceAccountName="nobody")))
    assert 'serviceaccount "nobody" not found' in status["message"]
    status = refused(lambda: core.create_namespaced_pod(namespace, pod(priorityClassName="urgent")))
    assert "no PriorityClass with name urgent was found" in status["message"]
