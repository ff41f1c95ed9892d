"""A rehearsal cloud with one cluster and two nodes, and a tiny project that tests may edit."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from slipway.catalog import paths
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.hooks import aws
from slipway.hooks.kubernetes import ClusterEndpoint, EksAccess
from slipway.hooks.kubernetes_async import KubernetesApiError, connect
from slipway.hooks.lease import LeaseHook
from slipway.model.component import Component
from slipway.model.platform import Platform
from slipway.operators.check import CheckOperator
from slipway.operators.component import DeployComponentOperator

from rehearsal.cloud import Cloud
from tests.rehearsal.components.driver import Outcome, Run

PROJECT = Path(__file__).parent / "project"
SPEED = 600.0


class Stack:
    """The cloud, the project and ways to look at both."""

    def __init__(self, cloud: Cloud, include: Path) -> None:
        self.cloud = cloud
        self.include = include

    @property
    def platform(self) -> Platform:
        return load_platform("dev")

    def component(self, name: str) -> Component:
        return load_components()[name]

    def deploy(self, name: str, run: Run | None = None) -> Outcome:
        return (run or Run()).task(DeployComponentOperator(task_id="deploy", component=self.component(name)))

    def check(self, name: str, check: str, run: Run | None = None) -> Outcome:
        component = self.component(name)
        found = next(item for item in component.spec.checks if item.name == check)
        return (run or Run()).task(CheckOperator(task_id=f"check_{check}", component=component, check=found))

    def actions(self, name: str) -> dict[str, str]:
        """What deploying a component did, by resource."""
        return {change["resource"]: change["action"] for change in self.deploy(name).value}

    def folder(self, name: str) -> Path:
        return self.component(name).folder

    def kubernetes(self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str) -> Any:
        """One request to the cluster's API, as somebody else would make it; ``None`` for 404."""

        async def ask() -> Any:
            access = EksAccess.of(self.platform)
            async with connect(access, self.endpoint) as api:
                try:
                    return (await api.request(method, path, params=query, body=body, content_type=kind)).body
                except KubernetesApiError as error:
                    if error.status == 404:
                        return None
                    raise

        return asyncio.run(ask())

    @cached_property
    def endpoint(self) -> ClusterEndpoint:
        return EksAccess.of(self.platform).endpoint()

    def sweep(self) -> None:
        """Remove what deploys left."""
        for name in ("tiny", "slipway-system"):
            self.kubernetes("DELETE", f"/api/v1/namespaces/{name}")
        deadline = time.monotonic() + 60
        for name in ("tiny", "slipway-system"):
            while self.kubernetes("GET", f"/api/v1/namespaces/{name}") is not None:
                assert time.monotonic() < deadline, f"namespace {name} does not end"
                time.sleep(0.1)
        manager = boto3.client("secretsmanager")
        for secret in manager.list_secrets()["SecretList"]:
            manager.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)

    def mutating_calls(self) -> Counter[str]:
        """Mutating calls so far, to AWS and to Kubernetes."""
        counted: Counter[str] = Counter()
        for name, port, path in (
            ("aws", self.cloud.aws_port, "/_rehearsal/stats"),
            ("kubernetes", self.cloud.admin_port, "/stats"),
        ):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                counted.update(_mutating(json.load(answer), name))
        return counted


def _mutating(stats: Any, prefix: str, inside: bool = False) -> dict[str, int]:
    if not isinstance(stats, dict):
        return {prefix: int(stats)} if inside and isinstance(stats, int) else {}
    found: dict[str, int] = {}
    for key, value in stats.items():
        found |= _mutating(value, f"{prefix}.{key}", inside or key == "mutating")
    return found


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    patch = pytest.MonkeyPatch()
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=SPEED) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        aws._client.cache_clear()
        _make_cluster()
        yield cloud
    aws._client.cache_clear()
    patch.undo()


def _make_cluster() -> None:
    """What the infrastructure stage would have made, as far as components need it."""
    ec2, iam, eks, s3 = (boto3.client(service) for service in ("ec2", "iam", "eks", "s3"))
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{index}.0/24", AvailabilityZone=f"us-east-1{zone}")
        for index, zone in enumerate("ab")
    ]
    ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    roles = {}
    for name, service in {"cluster": "eks.amazonaws.com", "node": "ec2.amazonaws.com"}.items():
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        roles[name] = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    eks.create_cluster(
        name="slipway-dev",
        version="1.36",
        roleArn=roles["cluster"],
        resourcesVpcConfig={"subnetIds": ids},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
    )
    eks.get_waiter("cluster_active").wait(name="slipway-dev", WaiterConfig={"Delay": 0.2})
    for addon in ("vpc-cni", "kube-proxy"):
        eks.create_addon(clusterName="slipway-dev", addonName=addon)
    eks.create_nodegroup(
        clusterName="slipway-dev",
        nodegroupName="primary",
        subnets=ids,
        nodeRole=roles["node"],
        instanceTypes=["t3.large"],
        scalingConfig={"minSize": 2, "maxSize": 2, "desiredSize": 2},
        labels={"slipway.dev/workload": "primary"},
    )
    eks.get_waiter("nodegroup_active").wait(
        clusterName="slipway-dev", nodegroupName="primary", WaiterConfig={"Delay": 0.2}
    )
    s3.create_bucket(Bucket="slipway-dev-123456789012-us-east-1")


@pytest.fixture
def stack(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The project as it is in Git, on a cloud that keeps what earlier tests left: deploying it puts that right."""
    with project(tmp_path / "include", monkeypatch) as include:
        made = Stack(cloud, include)
        LeaseHook(made.platform).acquire("manual__1", "platform_deploy")
        yield made


@pytest.fixture
def empty(stack: Stack) -> Stack:
    """The same on a cluster without anything of ours."""
    stack.sweep()
    return stack


@contextmanager
def project(include: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the tests' project in place of the real one."""
    shutil.copytree(PROJECT, include)
    monkeypatch.setenv(paths.VARIABLE, str(include))
    paths.include_dir.cache_clear()
    yield include
    monkeypatch.undo()
    os.environ.pop(paths.VARIABLE, None)
    paths.include_dir.cache_clear()


def edit(path: Path, **changes: Any) -> None:
    """Change top-level fields of a YAML file."""
    value = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**value, **changes}))
