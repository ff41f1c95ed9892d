"""The process: admin API, statistics, add-ons, persistence, performance, other clients."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import kubernetes.client as k8s
import kubernetes_asyncio.client as aio
import pytest

from tests.rehearsal.kubernetes.support import (
    ClusterUnderTest,
    Kubectl,
    Process,
    config_map,
    deployment,
    eventually,
    squeezed,
)

ADDONS = [
    "amazon-cloudwatch-observability",
    "aws-ebs-csi-driver",
    "aws-efs-csi-driver",
    "coredns",
    "eks-pod-identity-agent",
    "kube-proxy",
    "metrics-server",
    "snapshot-controller",
    "vpc-cni",
]


def test_admin_refusals_name_what_is_wrong(process: Process) -> None:
    body = {"name": "x", "region": "us-east-1", "version": "1.99"}
    assert (
        "Kubernetes version '1.99' has no published schema here: 1.25"
        in process.call("PUT", "/clusters/us-east-1.x", body, 400)["message"]
    )
    assert process.call("PUT", "/clusters/us-east-1.x", {"name": "x"}, 400)["message"] == "missing: region, version"
    for path in ("", "/nodegroups/a", "/addons/a", "/access"):
        process.call("GET", f"/clusters/us-east-1.x{path}", expect=404)
    process.call("DELETE", "/clusters/us-east-1.x", expect=404)


def test_add_ons_become_ready_and_go(process: Process) -> None:
    cluster = ClusterUnderTest(process, "added")
    for name in ADDONS:
        cluster.add_on(name)
    coredns = process.call("GET", f"{cluster.path}/addons/coredns")
    assert not coredns["ready"]
    eventually(lambda: "no nodes available" in process.call("GET", f"{cluster.path}/addons/coredns")["issues"][0])
    cluster.node_group("primary", 2, capacity={"cpu": "8", "memory": "16Gi", "pods": "58"})
    eventually(lambda: all(process.call("GET", f"{cluster.path}/addons/{name}")["ready"] for name in ADDONS), 30)
    with cluster.client(cluster.admin_token()) as client:
        core = k8s.CoreV1Api(client)
        assert core.read_namespaced_service("kube-dns", "kube-system").spec.cluster_ip == "10.100.0.10"
        process.call("DELETE", f"{cluster.path}/addons/metrics-server", expect=204)
        eventually(
            lambda: (
                not core.list_namespaced_pod(
                    "kube-system", label_selector="app.kubernetes.io/name=metrics-server"
                ).items
            )
        )
    known = process.call("PUT", f"{cluster.path}/addons/nope", {}, 400)["message"]
    assert "coredns" in known
    process.call("DELETE", cluster.path, expect=204)


def test_statistics_tell_changes_from_reading(process: Process) -> None:
    cluster = ClusterUnderTest(process, "counted")
    with cluster.client(cluster.admin_token()) as client:
        core = k8s.CoreV1Api(client)
        core.list_namespaced_config_map("default")
        core.create_namespaced_config_map("default", config_map("a", "default"), dry_run="All")
        assert process.call("GET", "/stats")["us-east-1.counted"] == {
            "mutating": {},
            "reading": {"list configmaps": 1, "create configmaps": 1},
        }
        core.create_namespaced_config_map("default", config_map("a", "default"))
        assert process.call("GET", "/stats")["us-east-1.counted"]["mutating"] == {"create configmaps": 1}
    process.call("DELETE", cluster.path, expect=204)


def test_a_cluster_is_upgraded_in_place(process: Process) -> None:
    body = {"name": "old", "region": "us-east-1", "version": "1.35", "creatorArn": "arn:aws:iam::123456789012:user/a"}
    first = process.call("PUT", "/clusters/us-east-1.old", body)
    assert process.call("PUT", "/clusters/us-east-1.old", body) == first
    second = process.call("PUT", "/clusters/us-east-1.old", {**body, "version": "1.36"})
    assert (second["version"], second["endpoint"]) == ("1.36", first["endpoint"])
    process.call("DELETE", "/clusters/us-east-1.old", expect=204)


def test_everything_survives_a_restart(tmp_path: Path, sts_endpoint: str) -> None:
    process = Process(tmp_path, sts_endpoint).start()
    cluster = ClusterUnderTest(process, "lasting")
    cluster.node_group("primary", 1)
    with cluster.client(cluster.admin_token()) as client:
        eventually(lambda: k8s.CoreV1Api(client).read_namespaced_service_account("default", "default"))
        k8s.AppsV1Api(client).create_namespaced_deployment("default", deployment("web", "default"))
        eventually(lambda: k8s.AppsV1Api(client).read_namespaced_deployment("web", "default").status.ready_replicas)
        before = k8s.CoreV1Api(client).list_namespaced_pod("default").items[0]
    assert process.stop() == 0
    assert (tmp_path / "kubernetes" / "us-east-1.lasting.json").stat().st_mode & 0o077 == 0
    process.start()
    assert process.call("GET", cluster.path) == cluster.info
    assert len(process.call("GET", f"{cluster.path}/nodegroups/primary")["nodes"]) == 1
    with cluster.client(cluster.admin_token()) as client:
        after = k8s.CoreV1Api(client).list_namespaced_pod("default").items
        assert [pod.metadata.uid for pod in after] == [before.metadata.uid]
        log = k8s.CoreV1Api(client).read_namespaced_pod_log(after[0].metadata.name, "default", _preload_content=False)
        assert b"simulated" in log.data
        k8s.AppsV1Api(client).patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 2}})
        eventually(
            lambda: k8s.AppsV1Api(client).read_namespaced_deployment("web", "default").status.ready_replicas == 2
        )
    assert process.stop() == 0


def test_250_applies_in_a_few_seconds(http: httpx.Client, namespace: str) -> None:
    def put(index: int) -> int:
        body = (
            deployment(f"d{index}", namespace, replicas=0)
            if index % 5 == 0
            else config_map(f"c{index}", namespace, x="1")
        )
        group, plural = ("apis/apps", "deployments") if index % 5 == 0 else ("api", "configmaps")
        name = body["metadata"]["name"]
        answer = http.patch(
            f"/{group}/v1/namespaces/{namespace}/{plural}/{name}?fieldManager=load",
            headers={"Content-Type": "application/apply-patch+yaml"},
            json=body,
        )
        return answer.status_code

    begun = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(put, range(250)))
    assert set(codes) == {201}
    # Three seconds on a quiet machine; the margin is for a busy one.
    assert time.monotonic() - begun[1] < 12


def test_the_async_client_works(cluster: ClusterUnderTest) -> None:
    async def names() -> set[str]:
        configuration = aio.Configuration(host=cluster.info["endpoint"])
        configuration.ssl_ca_cert = str(cluster.process.state / "shared.crt")
        configuration.api_key = {"BearerToken": f"Bearer {cluster.admin_token()}"}
        async with aio.ApiClient(configuration) as client:
            found = await aio.CoreV1Api(client).list_namespace()
            return {item.metadata.name for item in found.items}

    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= asyncio.run(names())


TABLES = {
    "pods -A": "NAMESPACE NAME READY STATUS RESTARTS AGE",
    "deployments -A -o wide": "NAMESPACE NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR",
    "nodes": "NAME STATUS ROLES AGE VERSION",
    "svc -A": "NAMESPACE NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
    "sc": "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
    "pdb -A": "NAMESPACE NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE",
    "ds -A": "NAMESPACE NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE",
}


@pytest.mark.parametrize("what", TABLES)
def test_kubectl_get_shows_the_columns_of_a_real_server(kubectl: Kubectl, what: str) -> None:
    assert squeezed(kubectl("get", *what.split()).out.splitlines()[0]).strip() == TABLES[what]


def test_kubectl_everyday_commands(kubectl: Kubectl, namespace: str) -> None:
    body = deployment("web", namespace, replicas=2)
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", stdin=body).out
    kubectl("wait", "deploy/web", "-n", namespace, "--for=condition=Available", "--timeout=20s")
    body["spec"]["replicas"] = 3
    assert "+  replicas: 3" in kubectl("diff", "-f", "-", stdin=body, ok=False).out
    assert "deployment.apps/web configured" in kubectl("apply", "-f", "-", stdin=body).out
    assert kubectl("diff", "-f", "-", stdin=body).out == ""
    described = kubectl("describe", "deploy/web", "-n", namespace).out
    assert "ScalingReplicaSet" in described
    assert "NewReplicaSetAvailable" in described
    assert "simulated" in kubectl("logs", "-n", namespace, "-l", "app=web").out
    explained = kubectl("explain", "deployment.spec.strategy").out
    assert "rollingUpdate" in explained
    assert "deployments" in kubectl("api-resources", "--api-group=apps").out
    typo = {**body, "spec": {**body["spec"], "replicsa": 1}}
    assert 'unknown field "spec.replicsa"' in kubectl("apply", "-f", "-", stdin=typo, ok=False).err
    assert "v1.36" in kubectl("version").out
    kubectl("scale", "deploy/web", "-n", namespace, "--replicas=1")
    kubectl("delete", "deploy/web", "-n", namespace, "--timeout=20s")
    kubectl("wait", "pod", "-n", namespace, "-l", "app=web", "--for=delete", "--timeout=20s")


def test_kubectl_typed_commands_send_protobuf(kubectl: Kubectl, namespace: str) -> None:
    assert "kubernetes-admin" in kubectl("auth", "whoami").out
    assert kubectl("auth", "can-i", "delete", "nodes").out.strip() == "yes"
    kubectl("create", "namespace", f"{namespace}-b")
    kubectl("delete", "namespace", f"{namespace}-b", "--timeout=20s")
    kubectl("create", "serviceaccount", "robot", "-n", namespace)
    assert kubectl("create", "token", "robot", "-n", namespace).out.count(".") == 2
    kubectl("apply", "-f", "-", stdin=deployment("web", namespace, replicas=1))
    kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=20s")
    node = kubectl("get", "pod", "-n", namespace, "-o", "jsonpath={.items[0].spec.nodeName}").out
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=30s")
    finally:
        kubectl("uncordon", node)
