"""Server-side apply: ownership, conflicts, removal, lists."""

from __future__ import annotations

from typing import Any

import httpx
import kubernetes.client as k8s
import pytest
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError

from tests.rehearsal.kubernetes.support import Kubectl, apply, config_map, deployment, owners, refused


def test_apply_creates_and_owns_exactly_what_it_says(dynamic: DynamicClient, namespace: str) -> None:
    made = apply(dynamic, config_map("a", namespace, x="1"), "one")
    assert made["data"] == {"x": "1"}
    assert owners(made) == {"one": {"f:data": {"f:x": {}}}}


def test_a_second_manager_shares_equal_values_and_conflicts_on_others(dynamic: DynamicClient, namespace: str) -> None:
    apply(dynamic, config_map("a", namespace, x="1"), "one")
    shared = apply(dynamic, config_map("a", namespace, x="1", y="2"), "two")
    assert shared["data"] == {"x": "1", "y": "2"}
    with pytest.raises(ConflictError) as caught:
        apply(dynamic, config_map("a", namespace, x="9"), "two")
    assert 'Apply failed with 1 conflict: conflict with \\"one\\": .data.x' in caught.value.body
    forced = apply(dynamic, config_map("a", namespace, x="9"), "two", force=True)
    assert forced["data"] == {"x": "9"}
    assert owners(forced) == {"two": {"f:data": {"f:x": {}}}}


def test_fields_no_longer_applied_go_unless_someone_else_owns_them(dynamic: DynamicClient, namespace: str) -> None:
    apply(dynamic, config_map("a", namespace, x="1", y="1", z="1"), "one")
    apply(dynamic, config_map("a", namespace, y="1"), "two")
    left = apply(dynamic, config_map("a", namespace, z="1"), "one")
    assert left["data"] == {"y": "1", "z": "1"}


def test_an_update_takes_ownership_and_shows_in_the_conflict(
    dynamic: DynamicClient, apps: k8s.AppsV1Api, namespace: str
) -> None:
    apply(dynamic, deployment("web", namespace, replicas=2), "deployer")
    apps.patch_namespaced_deployment("web", namespace, {"spec": {"replicas": 5}}, field_manager="scaler")
    with pytest.raises(ConflictError) as caught:
        apply(dynamic, deployment("web", namespace, replicas=2), "deployer")
    assert 'conflict with \\"scaler\\" using apps/v1: .spec.replicas' in caught.value.body
    body = deployment("web", namespace)
    del body["spec"]["replicas"]
    assert apply(dynamic, body, "deployer")["spec"]["replicas"] == 5


def test_containers_merge_by_name_and_ports_by_port_and_protocol(dynamic: DynamicClient, namespace: str) -> None:
    body = deployment("web", namespace)
    body["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    apply(dynamic, body, "one")
    other = deployment("web", namespace)
    other["spec"]["template"]["spec"]["containers"] = [
        {"name": "sidecar", "image": "registry.example/sidecar:1"},
        {"name": "app", "ports": [{"containerPort": 81, "protocol": "TCP"}]},
    ]
    merged = apply(dynamic, other, "two")
    containers = merged["spec"]["template"]["spec"]["containers"]
    assert {c["name"] for c in containers} == {"app", "sidecar"}
    app = next(c for c in containers if c["name"] == "app")
    assert [p["containerPort"] for p in app["ports"]] == [80, 81]
    back = apply(dynamic, deployment("web", namespace), "two")
    containers = back["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in containers] == ["app"]
    assert [p["containerPort"] for p in containers[0]["ports"]] == [80]


def test_removing_a_struct_brings_its_defaults_back(dynamic: DynamicClient, namespace: str) -> None:
    body = deployment("web", namespace)
    body["spec"]["strategy"] = {"type": "Recreate"}
    assert apply(dynamic, body, "one")["spec"]["strategy"] == {"type": "Recreate"}
    back = apply(dynamic, deployment("web", namespace), "one")
    assert back["spec"]["strategy"]["type"] == "RollingUpdate"
    assert back["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}


def test_repeating_an_apply_changes_nothing(dynamic: DynamicClient, namespace: str) -> None:
    first = apply(dynamic, config_map("a", namespace, x="1"), "one")
    again = apply(dynamic, config_map("a", namespace, x="1"), "one")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert again["metadata"]["managedFields"] == first["metadata"]["managedFields"]


def test_dry_run_shows_the_result_and_stores_nothing(
    dynamic: DynamicClient, core: k8s.CoreV1Api, namespace: str
) -> None:
    shown = apply(dynamic, config_map("a", namespace, x="1"), "one", dry_run="All")
    assert shown["data"] == {"x": "1"}
    assert refused(lambda: core.read_namespaced_config_map("a", namespace))["reason"] == "NotFound"


def test_undeclared_fields_are_refused(http: httpx.Client, namespace: str) -> None:
    body = deployment("web", namespace)
    body["spec"]["replicsa"] = 3
    status = _raw_apply(http, namespace, body, "?fieldManager=one", 500)
    assert ".spec.replicsa: field not declared in schema" in status["message"]


def test_apply_needs_a_field_manager(http: httpx.Client, namespace: str) -> None:
    status = _raw_apply(http, namespace, deployment("web", namespace), "", 422)
    assert "fieldManager: Required value" in status["message"]


def _raw_apply(http: httpx.Client, namespace: str, body: dict[str, Any], query: str, code: int) -> dict[str, Any]:
    answer = http.patch(
        f"/apis/apps/v1/namespaces/{namespace}/deployments/web{query}",
        headers={"Content-Type": "application/apply-patch+yaml"},
        json=body,
    )
    assert answer.status_code == code
    status: dict[str, Any] = answer.json()
    return status


def test_kubectl_moves_from_client_side_to_server_side_apply(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-f", "-", stdin=config_map("a", namespace, x="1", y="1"))
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map("a", namespace, x="1"))
    assert "y" not in kubectl("get", "cm", "a", "-n", namespace, "-o", "jsonpath={.data}").out
