"""What the AWS side of the rehearsal relies on is the same whatever is behind EKS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.conftest import ASKED
from tests.rehearsal.kubernetes.support import ClusterUnderTest, Process, config_map, deployment, eventually

INSTANCES = [
    {
        "instanceId": f"i-{number:017x}",
        "zone": f"us-east-1{zone}",
        "privateDnsName": f"ip-10-20-{number}-4.ec2.internal",
        "privateIpAddress": f"10.20.{number}.4",
    }
    for number, zone in enumerate("abab")
]


def group(cluster: ClusterUnderTest, instances: list[dict[str, str]]) -> None:
    cluster.node_group("primary", len(instances), instances=instances, architecture="arm64")


def nodes(server: httpx.Client) -> dict[str, Any]:
    return {node["metadata"]["name"]: node for node in server.get("/api/v1/nodes").json()["items"]}


def test_nodes_are_the_instances_of_the_group(cluster: ClusterUnderTest, server: httpx.Client) -> None:
    group(cluster, INSTANCES[:2])
    found = nodes(server)
    assert set(found) == {one["privateDnsName"] for one in INSTANCES[:2]}
    for one in INSTANCES[:2]:
        node = found[one["privateDnsName"]]
        assert node["spec"]["providerID"] == f"aws:///{one['zone']}/{one['instanceId']}"
        assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == one["zone"]
        assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
        assert {"type": "InternalIP", "address": one["privateIpAddress"]} in node["status"]["addresses"]


def test_a_replaced_instance_is_another_node(cluster: ClusterUnderTest, server: httpx.Client) -> None:
    group(cluster, INSTANCES[:2])
    group(cluster, INSTANCES[1:3])
    eventually(lambda: set(nodes(server)) == {one["privateDnsName"] for one in INSTANCES[1:3]})


def test_pods_of_all_shapes_become_ready_and_their_logs_end(cluster: ClusterUnderTest, server: httpx.Client) -> None:
    # Not the first: kwok may take minutes to play a node that comes back under the name of one just removed.
    group(cluster, INSTANCES[1:])
    plain = deployment("plain", "default", initContainers=[{"name": "first", "image": "registry.example/init:1"}])
    host = deployment("host", "default", hostNetwork=True)
    for one in (plain, host):
        assert server.post("/apis/apps/v1/namespaces/default/deployments", json=one).status_code == 201
    path = "/apis/apps/v1/namespaces/default/deployments"
    for name in ("plain", "host"):
        # Seconds when the machine is idle; schedulers and kubelets are processes that others may hold up.
        eventually(
            lambda name=name: server.get(f"{path}/{name}").json()["status"].get("readyReplicas") == 1, seconds=90
        )
    pods = server.get("/api/v1/namespaces/default/pods").json()["items"]
    assert len({pod["status"]["podIP"] for pod in pods}) == len(pods) == 2
    (pod,) = (one for one in pods if one["metadata"]["labels"]["app"] == "plain")
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert server.get(f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}/log").status_code == 200


def test_only_what_clients_ask_is_counted(cluster: ClusterUnderTest, server: httpx.Client) -> None:
    def counted() -> tuple[int, int]:
        found = cluster.process.call("GET", "/stats")[f"us-east-1.{cluster.name}"]
        return sum(found["mutating"].values()), sum(found["reading"].values())

    path = "/api/v1/namespaces/default/configmaps"
    before = counted()
    # Longer than what controllers and simulated kubelets leave undone, and than they leave a lease.
    time.sleep(3)
    assert counted() == before
    assert server.post(path, json=config_map("counted", "default")).status_code == 201
    assert server.post(path, params={"dryRun": "All"}, json=config_map("dry", "default")).status_code == 201
    assert server.get(path).status_code == 200
    assert counted() == (before[0] + 1, before[1] + 2)


def test_an_unknown_add_on_is_refused_with_those_that_are_known(cluster: ClusterUnderTest) -> None:
    told = cluster.process.call("PUT", f"{cluster.path}/addons/no-such", {"version": "v1"}, expect=400)
    assert "vpc-cni" in told["message"]


@pytest.mark.skipif(not ASKED, reason="make conformance runs this")
def test_it_stops_soon_and_leaves_no_process(tmp_path: Path) -> None:
    process = Process(tmp_path, "http://127.0.0.1:1").start()
    try:
        for name in ("first", "second"):
            ClusterUnderTest(process, name)
    finally:
        began = time.monotonic()
        code = process.stop()
    assert code == 0
    assert time.monotonic() - began < 8
    assert [line for line in command_lines() if str(tmp_path) in line] == []


def command_lines() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # It ended meanwhile.
            continue
    return found
