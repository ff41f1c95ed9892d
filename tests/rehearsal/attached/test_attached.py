"""A Kubernetes that was there before, as k3s is in docker compose: taken by an EKS cluster, asked, given back.

Its part is played by a real control plane that is started as docker-compose.yaml starts k3s: with a webhook that asks
``/review`` who the bearer of a token is, before there is any cluster. Its nodes are simulated.
"""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from kubernetes import client

from rehearsal.attached.plane import POOL, VARIABLE
from rehearsal.cloud import Cloud
from rehearsal.controlplane import plane as plane_module
from rehearsal.controlplane.binaries import PLANE, Binaries
from rehearsal.controlplane.nodes import GROUP_LABEL
from rehearsal.controlplane.plane import Plane
from rehearsal.controlplane.processes import free_port
from rehearsal.kubeconfig import token

NAME = "slipway-dev"
AGENTS = ("agent-a", "agent-b", "agent-c")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway" / "kubernetes"

pytestmark = pytest.mark.skipif(
    not os.environ.get("SLIPWAY_THOROUGH") or not all(list(CACHE.glob(f"*/{name}")) for name in PLANE),
    reason="not run here; make compose-test does, where Kubernetes' programs are",
)


@dataclass
class Attached:
    """The cloud, the cluster behind it, and ways to ask them."""

    cloud: Cloud
    plane: Plane
    roles: dict[str, str]
    subnets: list[str]

    def aws(self, service: str) -> Any:
        return boto3.client(service)

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.plane.api())

    def status(self, bearer: str) -> int:
        """What the API server answers to the bearer of a token."""
        context = ssl.create_default_context(cadata=self.plane.certificate.authority)
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.plane.endpoint}/api/v1/nodes", headers={"Authorization": f"Bearer {bearer}"}
        )
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310 - loopback
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def make_cluster(self, name: str = NAME) -> dict[str, Any]:
        eks = self.aws("eks")
        eks.create_cluster(
            name=name,
            version="1.36",
            roleArn=self.roles["cluster"],
            resourcesVpcConfig={"subnetIds": self.subnets},
            accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
        )
        eks.get_waiter("cluster_active").wait(name=name, WaiterConfig={"Delay": 1, "MaxAttempts": 180})
        return dict(eks.describe_cluster(name=name)["cluster"])


@pytest.fixture(scope="module")
def attached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attached]:
    folder = tmp_path_factory.mktemp("attached")
    patch = pytest.MonkeyPatch()
    # It shares the machine with other tests.
    patch.setattr(plane_module, "_START_SECONDS", 300.0)
    patch.setenv(VARIABLE, str(folder / "k3s" / "own.kubeconfig"))
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=5000, cluster="attached") as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        plane = Plane("k3s", folder / "k3s", free_port(), f"{cloud.admin_url}/review", Binaries())
        try:
            plane.start()
            made = Attached(cloud, plane, _roles(), _subnets())
            for agent in AGENTS:
                taints = [{"key": POOL, "value": "free", "effect": "NoSchedule"}]
                made.core.create_node(
                    {"metadata": {"name": agent, "labels": {POOL: "free"}}, "spec": {"taints": taints}}
                )
            yield made
        finally:
            plane.stop()
    patch.undo()


def _roles() -> dict[str, str]:
    iam, found = boto3.client("iam"), {}
    for name, service in {"cluster": "eks.amazonaws.com", "node": "ec2.amazonaws.com"}.items():
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        found[name] = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return found


def _subnets() -> list[str]:
    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]


def until(look: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.timeout(900)
def test_its_whole_time_behind_eks(attached: Attached) -> None:
    # Before there is a cluster nobody's token is good.
    assert attached.status(token(NAME)) == 401

    live = attached.make_cluster()
    assert live["endpoint"] == attached.plane.endpoint
    assert live["certificateAuthority"]["data"] == attached.plane.authority
    until(lambda: attached.status(token(NAME)) == 200)
    assert attached.status(token("slipway-other")) == 401

    eks = attached.aws("eks")
    eks.create_nodegroup(
        clusterName=NAME,
        nodegroupName="primary",
        subnets=attached.subnets,
        nodeRole=attached.roles["node"],
        scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2},
        instanceTypes=["t3.large"],
        labels={"slipway.dev/workload": "primary"},
    )
    until(lambda: _status(eks) == "ACTIVE")
    mine = attached.core.list_node(label_selector=f"{GROUP_LABEL}=primary").items
    assert [node.metadata.name for node in mine] == ["agent-a", "agent-b"]
    instances = {
        one["InstanceId"]
        for reservation in attached.aws("ec2").describe_instances()["Reservations"]
        for one in reservation["Instances"]
    }
    for node in mine:
        assert node.spec.provider_id.rsplit("/", 1)[-1] in instances
        assert node.metadata.labels["slipway.dev/workload"] == "primary"
        assert POOL not in node.metadata.labels
        assert POOL not in {taint.key for taint in node.spec.taints or []}
    assert [node.metadata.name for node in attached.core.list_node(label_selector=POOL).items] == ["agent-c"]

    attached.core.create_namespace({"metadata": {"name": "streaming"}})
    eks.delete_nodegroup(clusterName=NAME, nodegroupName="primary")
    eks.get_waiter("nodegroup_deleted").wait(
        clusterName=NAME, nodegroupName="primary", WaiterConfig={"Delay": 1, "MaxAttempts": 180}
    )
    eks.delete_cluster(name=NAME)
    eks.get_waiter("cluster_deleted").wait(name=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 180})
    until(lambda: "streaming" not in {one.metadata.name for one in attached.core.list_namespace().items})
    assert [node.metadata.name for node in attached.core.list_node().items] == ["agent-c"]
    # It is free for the next one.
    assert attached.make_cluster()["endpoint"] == attached.plane.endpoint


def _status(eks: Any) -> str:
    return str(eks.describe_nodegroup(clusterName=NAME, nodegroupName="primary")["nodegroup"]["status"])
