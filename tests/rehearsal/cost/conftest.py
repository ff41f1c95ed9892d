"""A platform on the rehearsal cloud that costs money, and the real DAG over it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from slipway.catalog import paths
from slipway.catalog.environments import load_platform
from slipway.hooks import aws
from slipway.model.cost import CostBody
from slipway.model.report import Report

from rehearsal.cloud import Cloud
from tests.rehearsal.watch.conftest import Watched, _infrastructure, call

ROOT = Path(__file__).resolve().parents[3]
TAGS = {
    "slipway:platform": "slipway-dev",
    "slipway:managed-by": "slipway",
    "slipway:environment": "dev",
    "team": "platform",
}
COMPONENTS = ("base-services/namespaces", "base-services/storage-classes", "base-services/prometheus")


class Priced(Watched):
    """The cloud, the platform and the nightly run over it."""

    @property
    def url(self) -> str:
        """The rehearsal's AWS."""
        return str(self.cloud.env["AWS_ENDPOINT_URL"])

    def night(self, **conf: Any) -> tuple[str, dict[str, str]]:
        """Run the DAG; its state and its tasks' states."""
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

        bag = DagBag(str(ROOT / "dags" / "platform_nightly_cost.py"))
        assert not bag.import_errors
        sync_bag_to_db(bag, "dags-folder", None)
        run = bag.dags["platform_nightly_cost"].test(run_conf=conf)
        states = {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()}
        return str(run.state), states

    def report(self) -> Report[CostBody]:
        """The newest report, as it lies in the bucket."""
        from slipway.hooks.reports import ReportsHook

        found = ReportsHook(load_platform("dev")).latest("cost", CostBody)
        assert found is not None
        return found

    def alone(self) -> Report[CostBody]:
        """The report's task alone, without Airflow's machinery around it."""
        from slipway.operators.cost import PlatformCostOperator

        member = {"environment": "dev", "region": "us-east-1", "problem": ""}
        outcome = self.run(PlatformCostOperator(task_id="report", member=member, keeper=member))
        key = outcome.value["url"].partition("us-east-1/")[2]
        document = boto3.client("s3").get_object(Bucket=load_platform("dev").bucket, Key=key)["Body"].read()
        return Report[CostBody].model_validate_json(document)

    def questions(self, service: str = "ce.") -> int:
        """Requests to Cost Explorer, or another service, so far."""
        calls = call("GET", f"{self.url}/_rehearsal/stats")["calls"]
        return sum(entry["count"] for name, entry in calls.items() if name.startswith(service))


@pytest.fixture(scope="session")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Priced]:
    """One cloud and one Airflow for all tests of this folder."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    logging.getLogger("airflow").setLevel(logging.WARNING)
    patch = pytest.MonkeyPatch()
    with Cloud(aws_port=0, kubernetes_port=0, admin_port=0, speed=1200.0) as cloud:
        for name, value in cloud.env.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.delenv(paths.VARIABLE, raising=False)
        paths.include_dir.cache_clear()
        aws._client.cache_clear()
        _infrastructure()
        _resources()
        made = Priced(cloud, tmp_path_factory.mktemp("priced"))
        for component in COMPONENTS:
            folder = ROOT / "include" / "manifests" / component
            dev = folder / "overlays" / "dev"
            made.kubectl("apply", "--server-side", "-k", str(dev if dev.is_dir() else folder))
        made.kubectl("-n", "monitoring", "rollout", "status", "statefulset/prometheus", "--timeout=60s")
        initdb()
        DagBundlesManager().sync_bundles_to_db()
        yield made
    aws._client.cache_clear()
    patch.undo()


def _resources() -> None:
    """What a platform has beside its cluster: two NAT gateways, a gp2 volume nobody uses, an idle address, a key."""
    ec2 = boto3.client("ec2")
    pairs = [{"Key": key, "Value": value} for key, value in TAGS.items()]

    def tagged(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": pairs}]

    # What EKS does not do: node group tags do not reach instances, a launch template's do.
    nodes = [one["InstanceId"] for row in ec2.describe_instances()["Reservations"] for one in row["Instances"]]
    ec2.create_tags(Resources=nodes, Tags=pairs)
    disks = [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]]
    ec2.create_tags(Resources=disks, Tags=pairs)
    filters = [{"Name": "cidr-block", "Values": ["10.20.0.0/24", "10.20.1.0/24"]}]
    for subnet in ec2.describe_subnets(Filters=filters)["Subnets"]:
        address = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
        ec2.create_nat_gateway(
            SubnetId=subnet["SubnetId"],
            AllocationId=address["AllocationId"],
            TagSpecifications=tagged("natgateway"),
        )
    ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=50, VolumeType="gp2", TagSpecifications=tagged("volume"))
    keys = [{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
    boto3.client("kms").create_key(Tags=keys)
