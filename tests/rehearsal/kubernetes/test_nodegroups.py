"""Nodes of groups whose EC2 instances the AWS side names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes.client as k8s
import pytest

from tests.rehearsal.kubernetes.support import PLANE, ClusterUnderTest, Process, deployment, eventually

pytestmark = pytest.mark.skipif(
    PLANE != "rehearsal.kubernetes", reason="the other control plane makes its machines up from zones"
)


def instance(number: int, zone: str = "us-east-1a", address: str = "") -> dict[str, str]:
    """An instance as the AWS side reports it."""
    address = address or f"10.0.1.{number}"
    host = f"ip-{address.replace('.', '-')}.ec2.internal"
    return {
        "instanceId": f"i-{number:017x}",
        "zone": zone,
        "privateDnsName": host,
        "privateIpAddress": address,
    }


@pytest.fixture
def cluster(process: Process) -> Iterator[ClusterUnderTest]:
    made = ClusterUnderTest(process, "instances")
    yield made
    process.call("DELETE", made.path, expect=204)


@pytest.fixture
def api(cluster: ClusterUnderTest) -> Iterator[k8s.ApiClient]:
    with cluster.client(cluster.admin_token()) as client:
        yield client


@pytest.fixture
def core(api: k8s.ApiClient) -> k8s.CoreV1Api:
    return k8s.CoreV1Api(api)


def put(cluster: ClusterUnderTest, *instances: dict[str, str], **changes: Any) -> set[str]:
    """Send the group; returns the ids its nodes now have."""
    answer = cluster.node_group("primary", len(instances), instances=list(instances), **changes)
    return {node["instanceId"] for node in answer["nodes"]}


def test_a_node_is_its_instance(cluster: ClusterUnderTest, core: k8s.CoreV1Api) -> None:
    first, second = instance(1), instance(2, "us-east-1c", "10.0.66.7")
    put(cluster, first, second, architecture="arm64", instanceType="m8g.large")
    nodes = {node.spec.provider_id: node for node in core.list_node().items}
    assert set(nodes) == {f"aws:///us-east-1a/{first['instanceId']}", f"aws:///us-east-1c/{second['instanceId']}"}
    node = nodes[f"aws:///us-east-1c/{second['instanceId']}"]
    assert node.metadata.name == node.metadata.labels["kubernetes.io/hostname"] == "ip-10-0-66-7.ec2.internal"
    assert {a.type: a.address for a in node.status.addresses} == {
        "InternalIP": "10.0.66.7",
        "InternalDNS": "ip-10-0-66-7.ec2.internal",
        "Hostname": "ip-10-0-66-7.ec2.internal",
    }
    labels = node.metadata.labels
    assert labels["topology.kubernetes.io/zone"] == labels["topology.ebs.csi.aws.com/zone"] == "us-east-1c"
    assert labels["kubernetes.io/arch"] == node.status.node_info.architecture == "arm64"


def test_a_terminated_instance_takes_its_node_and_pods_along(cluster: ClusterUnderTest, core: k8s.CoreV1Api) -> None:
    assert put(cluster, instance(1), instance(2)) == {instance(1)["instanceId"], instance(2)["instanceId"]}
    eventually(lambda: core.read_namespaced_service_account("default", "default"))
    apps = k8s.AppsV1Api(core.api_client)
    apps.create_namespaced_deployment("default", deployment("web", "default", replicas=4))
    eventually(lambda: apps.read_namespaced_deployment("web", "default").status.ready_replicas == 4)
    kept = core.read_node(instance(1)["privateDnsName"]).metadata.uid
    # The next instance may get the address that has become free, and with it the name.
    gone, new = instance(2), instance(3, address="10.0.1.2")
    before = core.read_node(gone["privateDnsName"]).metadata.uid
    assert put(cluster, instance(1), new) == {instance(1)["instanceId"], new["instanceId"]}
    after = core.read_node(new["privateDnsName"])
    assert after.metadata.uid != before
    assert after.spec.provider_id.endswith(new["instanceId"])
    assert core.read_node(instance(1)["privateDnsName"]).metadata.uid == kept
    eventually(lambda: apps.read_namespaced_deployment("web", "default").status.ready_replicas == 4)


def test_scaling_removes_the_instances_that_ended_and_no_other(cluster: ClusterUnderTest) -> None:
    put(cluster, instance(1), instance(2), instance(3))
    assert put(cluster, instance(2)) == {instance(2)["instanceId"]}
    assert put(cluster, instance(2), instance(4, "us-east-1b")) == {i["instanceId"] for i in (instance(2), instance(4))}
    assert put(cluster) == set()


def test_a_version_reaches_nodes_as_their_instances_are_replaced(
    cluster: ClusterUnderTest, core: k8s.CoreV1Api
) -> None:
    def versions() -> dict[str, str]:
        nodes = core.list_node().items
        return {n.spec.provider_id.rsplit("/", 1)[-1][-1]: n.status.node_info.kubelet_version[:5] for n in nodes}

    put(cluster, instance(1), instance(2), version="1.35")
    put(cluster, instance(1), instance(2), version="1.36")
    assert versions() == {"1": "v1.35", "2": "v1.35"}
    put(cluster, instance(2), instance(3), version="1.36")
    assert versions() == {"2": "v1.35", "3": "v1.36"}
    put(cluster, instance(3), instance(4), version="1.36")
    assert versions() == {"3": "v1.36", "4": "v1.36"}


def test_labels_and_taints_of_others_stay_when_the_groups_change(
    cluster: ClusterUnderTest, core: k8s.CoreV1Api
) -> None:
    def taint(key: str) -> dict[str, str]:
        return {"key": key, "value": "x", "effect": "NoSchedule"}

    put(cluster, instance(1), labels={"tier": "a", "old": "yes"}, taints=[taint("group"), taint("old")])
    name = instance(1)["privateDnsName"]
    taints = [taint("group"), taint("old"), taint("operator")]
    core.patch_node(name, {"metadata": {"labels": {"mine": "kept"}}, "spec": {"taints": taints}})
    put(cluster, instance(1), labels={"tier": "b"}, taints=[taint("group"), taint("new")])
    node = core.read_node(name)
    assert {k: v for k, v in node.metadata.labels.items() if k in ("tier", "old", "mine")} == {
        "tier": "b",
        "mine": "kept",
    }
    assert {t.key for t in node.spec.taints} == {"group", "new", "operator"}


def test_an_instance_without_what_a_node_needs_is_refused(cluster: ClusterUnderTest, process: Process) -> None:
    body = {"desired": 1, "instanceType": "t3.medium", "capacity": {"cpu": "2"}}
    path = f"{cluster.path}/nodegroups/primary"
    found = process.call("PUT", path, {**body, "instances": [{"instanceId": "i-1"}]}, 400)["message"]
    assert found == "instances[0]: missing: zone, privateIpAddress"
    assert "a list is required" in process.call("PUT", path, {**body, "instances": "i-1"}, 400)["message"]
