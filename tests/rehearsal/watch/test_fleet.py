"""Several environments and regions in one run of the real DAGs: one that fails does not hide the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from slipway.catalog import paths
from slipway.catalog.environments import load_platform
from slipway.hooks.reports import ReportsHook
from slipway.model.health import HealthBody

from tests.rehearsal.watch.conftest import Watched, states, thorough

# Airflow lists plugin files with a class that its own dependency calls old.
pytestmark = [thorough, pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")]
REGION = "eu-west-1"
BUCKET = f"slipway-dev-123456789012-{REGION}"


@pytest.fixture
def second(watched: Watched, described: Any) -> Iterator[None]:
    """The environment dev in a second region, as a cluster without a node; and staging, whose file does not load."""
    described(regions=["us-east-1", REGION])
    staging = Path(os.environ[paths.VARIABLE]) / "environments" / "staging.yaml"
    staging.write_text(staging.read_text() + "no_such_field: 1\n")
    ec2, iam, eks, s3 = (boto3.client(service, region_name=REGION) for service in ("ec2", "iam", "eks", "s3"))
    vpc = ec2.create_vpc(CidrBlock="10.21.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.21.{index}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for index, zone in enumerate("ab")
    ]
    tags = {"slipway:platform": "slipway-dev", "slipway:managed-by": "slipway", "slipway:environment": "dev"}
    eks.create_cluster(
        name="slipway-dev",
        version="1.36",
        roleArn=iam.get_role(RoleName="cluster")["Role"]["Arn"],
        resourcesVpcConfig={"subnetIds": [one["SubnetId"] for one in subnets]},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
        tags=tags,
    )
    eks.get_waiter("cluster_active").wait(name="slipway-dev", WaiterConfig={"Delay": 0.2})
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield
    eks.delete_cluster(name="slipway-dev")
    eks.get_waiter("cluster_deleted").wait(name="slipway-dev", WaiterConfig={"Delay": 0.2})
    for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=one["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def test_each_platform_has_its_own_tasks(watched: Watched, dags: dict[str, Any], second: None) -> None:
    run = dags["platform_health"].test(run_conf={})
    found = states(run)
    # Members are in order of their names: dev in both regions, then staging, which cannot be looked at and says so.
    assert [found[f"watch[{index}]"] for index in range(3)] == ["success", "success", "failed"]
    assert str(run.state) == "failed", "a platform that was not looked at is no success"
    for region, nodes in (("us-east-1", 3), (REGION, 0)):
        report = ReportsHook(load_platform("dev", region)).latest("health", HealthBody)
        assert report is not None
        assert (report.run_id, report.region) == (run.run_id, region)
        # EKS brings CoreDNS, which without a node is a stuck rollout as soon as its deadline is over.
        others = [one for one in report.body.findings if nodes or one.labels.get("workload") != "coredns"]
        assert others == []
        assert report.body.counts["nodes"] == nodes
        assert report.verdict == "Healthy" or not nodes
    # An empty cluster has no Prometheus, and the report says so.
    assert [part.part for part in report.missing] == ["metrics and alerts"]


def test_a_run_may_be_narrowed_to_one_platform(watched: Watched, dags: dict[str, Any], second: None) -> None:
    with watched.fault("crash-loop", workload="kafka"):
        run = dags["platform_health"].test(run_conf={"region": "us-east-1", "environment": "dev"})
    found = states(run)
    assert found["watch[0]"] == "success"
    assert "watch[1]" not in found, "a run may be narrowed to one platform"
    report = ReportsHook(load_platform("dev", "us-east-1")).latest("health", HealthBody)
    assert report is not None
    assert report.verdict == "Degraded"
    watched.until_running()


def test_sizes_of_the_whole_fleet(watched: Watched, dags: dict[str, Any], second: None) -> None:
    run = dags["platform_nightly_scale"].test(run_conf={})
    found = states(run)
    assert sorted(state for task, state in found.items() if "[" in task) == ["failed", "success", "success"], found
    for region in ("us-east-1", REGION):
        report = ReportsHook(load_platform("dev", region)).latest("scale")
        assert report is not None
        assert report.run_id == run.run_id
