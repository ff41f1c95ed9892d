"""Rollouts that have to wait, and strategies that cannot be."""

from __future__ import annotations

from typing import Any

import kubernetes.client as k8s
import pytest

from tests.rehearsal.kubernetes.support import PLANE, Kubectl, deployment, eventually, refused

# Two seconds at the tests' speed.
LONG = 1200
simulated = pytest.mark.skipif(PLANE != "rehearsal.kubernetes", reason="only the emulation compresses this wait")


def image(tag: str) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [{"name": "app", "image": f"registry.example/app:{tag}"}]}}}


@simulated
def test_a_new_image_with_a_long_minimum_of_readiness_rolls_out(
    apps: k8s.AppsV1Api, kubectl: Kubectl, namespace: str
) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace, replicas=2))
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s")
    change = {"minReadySeconds": LONG, "progressDeadlineSeconds": 2 * LONG, **image("2")}
    apps.patch_namespaced_deployment("web", namespace, {"spec": change})
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=30s")
    status = apps.read_namespaced_deployment("web", namespace).status
    assert (status.updated_replicas, status.available_replicas, status.unavailable_replicas) == (2, 2, None)


@simulated
def test_pods_that_are_ready_but_new_are_not_available_yet(apps: k8s.AppsV1Api, namespace: str) -> None:
    body = deployment("web", namespace, replicas=2)
    body["spec"] |= {"minReadySeconds": 86400, "progressDeadlineSeconds": 90000}
    apps.create_namespaced_deployment(namespace, body)
    status = eventually(
        lambda: (s := apps.read_namespaced_deployment("web", namespace).status).ready_replicas == 2 and s
    )
    assert status.available_replicas is None
    # The newest ReplicaSet takes the change over though its template stays the same.
    apps.patch_namespaced_deployment("web", namespace, {"spec": {"minReadySeconds": 0}})
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).status.available_replicas == 2)
    assert len(apps.list_namespaced_replica_set(namespace).items) == 1


@simulated
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_workloads_become_available_without_another_event(kind: str, apps: k8s.AppsV1Api, namespace: str) -> None:
    body = {**deployment("db", namespace, replicas=2), "kind": kind}
    body["spec"]["minReadySeconds"] = LONG
    if kind == "StatefulSet":
        body["spec"] |= {"serviceName": "db", "podManagementPolicy": "Parallel"}
        apps.create_namespaced_stateful_set(namespace, body)
        eventually(lambda: apps.read_namespaced_stateful_set("db", namespace).status.available_replicas == 2)
        return
    del body["spec"]["replicas"]
    apps.create_namespaced_daemon_set(namespace, body)
    nodes = len(k8s.CoreV1Api(apps.api_client).list_node().items)
    eventually(lambda: apps.read_namespaced_daemon_set("db", namespace).status.number_available == nodes)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"minReadySeconds": 600}, "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than"),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            "may not be 0 when `maxSurge` is 0",
        ),
    ],
)
def test_a_strategy_that_cannot_be_is_refused(
    spec: dict[str, Any], message: str, apps: k8s.AppsV1Api, namespace: str
) -> None:
    body = deployment("web", namespace)
    body["spec"].update(spec)
    assert message in refused(lambda: apps.create_namespaced_deployment(namespace, body))["message"]


def test_recreate_takes_the_place_of_a_rolling_update(apps: k8s.AppsV1Api, namespace: str) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    change = {"spec": {"strategy": {"type": "Recreate"}}}
    status = refused(lambda: apps.patch_namespaced_deployment("web", namespace, change))
    assert "spec.strategy.rollingUpdate: Forbidden" in status["message"]
    change = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}  # type: ignore[dict-item]
    assert apps.patch_namespaced_deployment("web", namespace, change).spec.strategy.rolling_update is None
