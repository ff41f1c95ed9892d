"""What only the account can tell is refused after reading, and nothing is changed by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from rehearsal.aws.eks.versions import calendar, support
from tests.rehearsal.preflight.conftest import DEPLOYMENT, Project


@contextmanager
def changing_nothing(project: Project) -> Iterator[None]:
    """AWS was asked, and only asked."""
    mutating, calls = project.calls()
    yield
    after, asked = project.calls()
    assert after == mutating
    assert asked > calls


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            content = content.setdefault(parent, {})
        content[last] = value

    return change


def test_a_good_project_passes(project: Project) -> None:
    with changing_nothing(project):
        returned = project.preflight()
    assert returned["zones"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert returned["fits_at_desired_size"] is True
    assert returned["nodes"] == {"desired": 2, "maximum": 3}
    # 730 h of a control plane and two t3.large, at least.
    assert returned["monthly_usd"] > 73 + 2 * 60


def test_wrong_account_reads_nothing_else(project: Project) -> None:
    project.edit(_set("account", "999999999999"))
    before = project.calls()
    said = project.refusal()
    assert f"{project.shown}: account: found credentials of account 123456789012" in said
    assert "allowed: account 999999999999" in said
    assert "aws_default" in said
    assert project.calls() == (before[0], before[1] + 1)


def test_version_that_is_not_offered(project: Project) -> None:
    project.edit(_set("cluster.version", "1.10"))
    with changing_nothing(project):
        said = project.refusal()
    assert f"{project.shown}: cluster.version: found '1.10'; allowed: " in said
    assert "Mend: choose one, best 1." in said


def _past_standard_support() -> str:
    now = datetime.now(UTC)
    return next(version for version in reversed(calendar()["versions"]) if support(version, now) == "EXTENDED_SUPPORT")


def test_version_past_standard_support(project: Project) -> None:
    version = _past_standard_support()
    project.edit(_set("cluster.version", version))
    with changing_nothing(project):
        said = project.refusal()
    assert f"{project.shown}: cluster.version: found '{version}', whose standard support ended on " in said
    assert "or say support: extended" in said


def test_extended_support_is_taken_when_it_is_asked_for_and_costs_more(project: Project) -> None:
    usual = project.preflight()["monthly_usd"]
    project.edit(_set("cluster.version", _past_standard_support()))
    project.edit(_set("cluster.support", "extended"))
    assert project.preflight()["monthly_usd"] == pytest.approx(usual + 0.5 * 730)


def test_instance_type_that_the_region_lacks(project: Project) -> None:
    # Known to the SDK, and in no region that the rehearsal has.
    project.edit(_set("node_groups.spare", {"workload": "spare", "instance_types": ["u-24tb1.112xlarge"]}))
    with changing_nothing(project):
        said = project.refusal()
    assert (
        f"{project.shown}: node_groups.spare.instance_types: found 'u-24tb1.112xlarge', which us-east-1 does not"
        in said
    )
    assert "aws ec2 describe-instance-types" in said


def test_instance_types_of_two_architectures(project: Project) -> None:
    project.edit(_set("node_groups.primary.instance_types", ["m5.large", "m7g.large"]))
    with changing_nothing(project):
        said = project.refusal()
    assert "node_groups.primary.instance_types: found m5.large (x86_64), m7g.large (arm64)" in said
    assert "split the group in two" in said


def test_zone_that_the_region_lacks(project: Project) -> None:
    project.edit(_set("network.zones", ["us-east-1a", "us-east-1x"]))
    with changing_nothing(project):
        said = project.refusal()
    assert f"{project.shown}: network.zones: found " in said
    assert "us-east-1x cannot be had" in said
    assert "us-east-1a, us-east-1b" in said


def test_network_that_overlaps_with_another_environments(project: Project) -> None:
    other = {**project.environment, "name": "other", "network": {"cidr": "10.20.128.0/17"}}
    (project.include / "environments" / "other.yaml").write_text(yaml.safe_dump(other))
    with changing_nothing(project):
        said = project.refusal()
    assert f"{project.shown}: network.cidr: found 10.20.0.0/16, which overlaps with 10.20.128.0/17 of" in said
    assert "include/environments/other.yaml" in said


def test_what_does_not_fit_is_named_with_what_would_hold_it(project: Project) -> None:
    spec = json.loads(json.dumps(DEPLOYMENT).replace("128Mi", "5000Mi"))
    spec["spec"]["replicas"] = 4
    project.component("large", deployment=spec)
    with changing_nothing(project):
        said = project.refusal()
    assert f"{project.shown}: node_groups: found 1 pod of Deployment tiny/server (100m CPU, 5000Mi memory each)" in said
    assert "3 of 3 nodes: Insufficient memory" in said
    assert "Mend: 1 more t3.large in node group primary" in said


def _foreign_cluster(project: Project) -> dict[str, Any]:
    ec2, iam, eks = (project.client(name) for name in ("ec2", "iam", "eks"))
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.99.{index}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for index, zone in enumerate("ab")
    ]
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="theirs", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    eks.create_cluster(
        name=f"slipway-{project.name}",
        roleArn=role["Role"]["Arn"],
        resourcesVpcConfig={"subnetIds": [subnet["SubnetId"] for subnet in subnets]},
        tags={"team": "somebody-else"},
    )
    eks.get_waiter("cluster_active").wait(name=f"slipway-{project.name}", WaiterConfig={"Delay": 1})
    return dict(eks.describe_cluster(name=f"slipway-{project.name}")["cluster"])


def test_a_cluster_of_that_name_that_is_not_ours_is_left_alone(project: Project) -> None:
    theirs = _foreign_cluster(project)
    with changing_nothing(project):
        said = project.refusal()
    assert f"EKS cluster slipway-{project.name}: tags: found a resource of the same name that is not ours" in said
    assert "rename the environment" in said
    now = project.client("eks").describe_cluster(name=f"slipway-{project.name}")["cluster"]
    assert (now["arn"], now["status"], now["tags"]) == (theirs["arn"], "ACTIVE", {"team": "somebody-else"})


def test_a_stack_of_that_name_that_is_not_ours_is_left_alone(project: Project) -> None:
    cloudformation = project.client("cloudformation")
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    name = f"slipway-{project.name}-network"
    made = cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))["StackId"]
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    with changing_nothing(project):
        said = project.refusal()
    assert f"stack {name}: tags: found a resource of the same name that is not ours" in said
    assert "Slipway does not touch it" in said
    now = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    assert (now["StackId"], now["StackStatus"]) == (made, "CREATE_COMPLETE")


def test_no_credentials(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    before = project.calls()
    said = project.refusal()
    assert "AWS connection aws_default: found no usable credentials" in said
    assert "give the Airflow connection aws_default credentials or a role" in said
    assert project.calls() == before


def test_no_connection(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    said = project.refusal()
    assert "AWS connection aws_default: found no answer" in said
    assert "check the network, proxy and VPC endpoints" in said
