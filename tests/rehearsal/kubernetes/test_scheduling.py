"""Nodes and the scheduler: what fits where, and the words when nothing does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kubernetes.client as k8s
import pytest

from tests.rehearsal.kubernetes.support import NODE, ClusterUnderTest, Process, deployment, eventually, refused


@pytest.fixture(scope="module")
def small(process: Process) -> ClusterUnderTest:
    """Two plain nodes and a tainted one, each with room for four small pods."""
    made = ClusterUnderTest(process, "small")
    capacity = {**NODE["capacity"], "pods": "4"}  # type: ignore[dict-item]
    made.node_group("plain", 2, capacity=capacity)
    taints = [{"key": "dedicated", "value": "streaming", "effect": "NoSchedule"}]
    labels = {"slipway.dev/workload": "streaming"}
    made.node_group("streaming", 1, capacity=capacity, taints=taints, labels=labels, zones=["us-east-1c"])
    return made


@pytest.fixture(scope="module")
def api(small: ClusterUnderTest) -> k8s.ApiClient:
    return small.client(small.admin_token())


@pytest.fixture(scope="module")
def core(api: k8s.ApiClient) -> k8s.CoreV1Api:
    return k8s.CoreV1Api(api)


@pytest.fixture(scope="module")
def apps(api: k8s.ApiClient) -> k8s.AppsV1Api:
    return k8s.AppsV1Api(api)


def test_nodes_look_as_on_eks(core: k8s.CoreV1Api) -> None:
    nodes = core.list_node(label_selector="eks.amazonaws.com/nodegroup=plain").items
    assert sorted(n.metadata.labels["topology.kubernetes.io/zone"] for n in nodes) == ["us-east-1a", "us-east-1b"]
    node = nodes[0]
    assert node.metadata.labels["node.kubernetes.io/instance-type"] == "t3.medium"
    assert node.metadata.labels["kubernetes.io/hostname"] == node.metadata.name
    assert node.spec.provider_id.startswith("aws:///us-east-1")
    assert node.status.node_info.kubelet_version.startswith("v1.36.")


def pending(core: k8s.CoreV1Api, namespace: str) -> str:
    """The message of the first pod that cannot be scheduled."""

    def find() -> str:
        for pod in core.list_namespaced_pod(namespace).items:
            for condition in pod.status.conditions or []:
                if condition.type == "PodScheduled" and condition.status == "False":
                    assert condition.reason == "Unschedulable"
                    return str(condition.message)
        return ""

    return str(eventually(find))


def requests(**amounts: str) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": amounts}

    return change


def spec(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["spec"]["template"]["spec"].update(fields)


def affinity(kind: str, term: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return spec(affinity={kind: {"requiredDuringSchedulingIgnoredDuringExecution": term}})


SELF = {"matchLabels": {"app": "web"}}
TAINT = "1 node(s) had untolerated taint {dedicated: streaming}"
UNFIT: dict[str, tuple[int, Callable[[dict[str, Any]], None], str]] = {
    "memory": (1, requests(memory="8Gi"), f"0/3 nodes are available: {TAINT}, 2 Insufficient memory."),
    "cpu and memory": (1, requests(memory="8Gi", cpu="4"), "2 Insufficient cpu, 2 Insufficient memory."),
    "max pods": (9, requests(), f"0/3 nodes are available: {TAINT}, 2 Too many pods."),
    "selector": (1, spec(nodeSelector={"a": "b"}), "2 node(s) didn't match Pod's node affinity/selector"),
    "anti-affinity": (
        3,
        affinity("podAntiAffinity", [{"topologyKey": "kubernetes.io/hostname", "labelSelector": SELF}]),  # type: ignore[arg-type]
        "2 node(s) didn't match pod anti-affinity rules",
    ),
    "affinity": (
        1,
        affinity(
            "podAffinity", [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}]
        ),  # type: ignore[arg-type]
        "2 node(s) didn't match pod affinity rules",
    ),
    "claim": (
        1,
        spec(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "nope"}}]),
        'persistentvolumeclaim "nope" not found',
    ),
    "host port": (
        3,
        lambda body: body["spec"]["template"]["spec"]["containers"][0].update(
            ports=[{"containerPort": 1, "hostPort": 1}]
        ),
        "2 node(s) didn't have free ports for the requested pod ports",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_says_why(core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str, case: str) -> None:
    replicas, change, message = UNFIT[case]
    body = deployment("web", namespace, replicas=replicas)
    change(body)
    apps.create_namespaced_deployment(namespace, body)
    assert message in pending(core, namespace)
    event = core.list_namespaced_event(namespace, field_selector="reason=FailedScheduling").items[0]
    assert event.source.component == "default-scheduler"


def test_tolerations_and_selectors_lead_to_the_group(core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str) -> None:
    body = deployment(
        "web",
        namespace,
        nodeSelector={"slipway.dev/workload": "streaming"},
        tolerations=[{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    )
    apps.create_namespaced_deployment(namespace, body)
    pod = eventually(lambda: [p for p in core.list_namespaced_pod(namespace).items if p.spec.node_name])[0]
    labels = core.read_node(pod.spec.node_name).metadata.labels
    assert labels["eks.amazonaws.com/nodegroup"] == "streaming"


def test_spread_constraints_even_out_zones(core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str) -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": SELF,
        "nodeTaintsPolicy": "Honor",
    }
    body = deployment("web", namespace, replicas=4, topologySpreadConstraints=[constraint])
    apps.create_namespaced_deployment(namespace, body)
    pods = eventually(
        lambda: len(p := [x for x in core.list_namespaced_pod(namespace).items if x.spec.node_name]) == 4 and p
    )
    by_node = [pod.spec.node_name for pod in pods]
    assert sorted(by_node.count(node) for node in set(by_node)) == [2, 2]


def test_a_pod_follows_the_one_it_has_an_affinity_to(core: k8s.CoreV1Api, namespace: str) -> None:
    term = {"labelSelector": {"matchLabels": {"app": "leader"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    containers = [{"name": "a", "image": "a:1"}]
    follower = {"metadata": {"name": "follower"}, "spec": {"affinity": affinity, "containers": containers}}
    core.create_namespaced_pod(namespace, follower)
    assert "didn't match pod affinity rules" in pending(core, namespace)
    labels = {"app": "leader"}
    core.create_namespaced_pod(
        namespace, {"metadata": {"name": "leader", "labels": labels}, "spec": {"containers": containers}}
    )
    node = eventually(lambda: core.read_namespaced_pod("follower", namespace).spec.node_name)
    assert node == core.read_namespaced_pod("leader", namespace).spec.node_name


def test_a_removed_node_moves_its_pods_and_a_new_one_takes_what_waits(process: Process) -> None:
    cluster = ClusterUnderTest(process, "shrinking")
    cluster.node_group("primary", 2, capacity={**NODE["capacity"], "pods": "2"})  # type: ignore[dict-item]
    with cluster.client(cluster.admin_token()) as client:
        core, apps = k8s.CoreV1Api(client), k8s.AppsV1Api(client)
        eventually(lambda: core.read_namespaced_service_account("default", "default"))
        apps.create_namespaced_deployment("default", deployment("web", "default", replicas=4))
        eventually(lambda: apps.read_namespaced_deployment("web", "default").status.ready_replicas == 4)
        assert len(cluster.node_group("primary", 1, capacity={**NODE["capacity"], "pods": "2"})["nodes"]) == 1  # type: ignore[dict-item]
        eventually(lambda: apps.read_namespaced_deployment("web", "default").status.ready_replicas == 2)
        assert "0/1 nodes are available: 1 Too many pods" in pending(core, "default")
        cluster.node_group("primary", 2, capacity={**NODE["capacity"], "pods": "2"})  # type: ignore[dict-item]
        eventually(lambda: apps.read_namespaced_deployment("web", "default").status.ready_replicas == 4)
    process.call("DELETE", cluster.path, expect=204)


def test_a_cordoned_node_takes_no_more_pods(core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str) -> None:
    nodes = core.list_node(label_selector="eks.amazonaws.com/nodegroup=plain").items
    for node in nodes:
        core.patch_node(node.metadata.name, {"spec": {"unschedulable": True}})
    try:
        apps.create_namespaced_deployment(namespace, deployment("web", namespace))
        assert "2 node(s) were unschedulable" in pending(core, namespace)
    finally:
        for node in nodes:
            core.patch_node(node.metadata.name, {"spec": {"unschedulable": None}})
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).status.ready_replicas == 1)


def test_a_node_that_is_not_ready_loses_its_pods(core: k8s.CoreV1Api, apps: k8s.AppsV1Api, namespace: str) -> None:
    apps.create_namespaced_deployment(namespace, deployment("web", namespace))
    eventually(lambda: apps.read_namespaced_deployment("web", namespace).status.ready_replicas == 1)
    pod = core.list_namespaced_pod(namespace).items[0]
    ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting"}
    core.patch_node_status(pod.spec.node_name, {"status": {"conditions": [ready]}})
    try:
        others = eventually(
            lambda: [
                p
                for p in core.list_namespaced_pod(namespace).items
                if p.spec.node_name not in (None, pod.spec.node_name)
            ]
        )
        assert others[0].metadata.uid != pod.metadata.uid
    finally:
        healthy = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
        }
        core.patch_node_status(pod.spec.node_name, {"status": {"conditions": [healthy]}})
    eventually(lambda: not core.read_node(pod.spec.node_name).spec.taints)


def test_a_pod_is_bound_once(core: k8s.CoreV1Api, namespace: str) -> None:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    core.create_namespaced_pod(namespace, body)
    node = eventually(lambda: core.read_namespaced_pod("p", namespace).spec.node_name)
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": node}}
    status = refused(lambda: core.create_namespaced_pod_binding("p", namespace, binding, _preload_content=False))
    assert "already assigned to node" in status["message"]
