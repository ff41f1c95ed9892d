"""The shipped templates, made, changed, drifted and deleted against the rehearsal's AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rehearsal.cloudformation.conftest import TAGS, Aws, Platform

TEMPLATES = ("state", "encryption", "network", "identity", "audit", "nodegroup", "budget")


@pytest.fixture(scope="module")
def platform(server: Aws) -> Iterator[Platform]:
    server.cloud.reset()
    made = Platform(server)
    made.make_all()
    yield made
    server.cloud.reset()


@pytest.mark.parametrize("template", TEMPLATES)
def test_outputs_are_resolved(platform: Platform, template: str) -> None:
    outputs = platform.outputs[template]
    assert outputs
    assert all(value and "${" not in value and "None" not in value for value in outputs.values())


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_same_request_again_changes_nothing(platform: Platform, template: str) -> None:
    proposal = platform.aws.propose("UPDATE", **platform.request(template))
    assert (proposal["Status"], proposal["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in proposal["StatusReason"]
    with pytest.raises(platform.aws.stacks.exceptions.ClientError, match="No updates are to be performed"):
        platform.aws.stacks.update_stack(**platform.request(template))


@pytest.mark.parametrize(
    ("template", "changed", "expected"),
    [
        ("state", {"ReportExpiryDays": 30}, {("StateBucket", "Modify", "False")}),
        ("encryption", {"KeyDeletionDays": 7}, {(f"{n}Key", "Modify", "False") for n in ("Secrets", "Logs", "Data")}),
        ("network", {"FlowLogRetentionDays": 90}, {("FlowLogGroup", "Modify", "False")}),
        ("network", {"FlowLogTraffic": "REJECT"}, {("FlowLog", "Modify", "True")}),
        (
            "network",
            {"NatMode": "single"},
            {
                *((f"PrivateDefaultRoute{n}", "Modify", "False") for n in (2, 3)),
                *((f"NatGateway{n}", "Remove", "") for n in (2, 3)),
                *((f"NatAddress{n}", "Remove", "") for n in (2, 3)),
            },
        ),
        ("network", {"InterfaceEndpoints": "none"}, {(name, "Remove", "") for name in (
            "EcrApiEndpoint", "EcrDkrEndpoint", "StsEndpoint", "EndpointSecurityGroup")}),
        ("identity", {"ViewerPrincipalArns": "arn:aws:iam::123456789012:user/eve"}, {("ViewerRole", "Add", "")}),
        ("identity", {"NodeSessions": "true"}, {("NodeRole", "Modify", "False")}),
        ("audit", {"ControlPlaneRetentionDays": 365}, {("ControlPlaneLogGroup", "Modify", "False")}),
        ("audit", {"CreateTrail": "false"}, {(n, "Remove", "") for n in ("AuditTrail", "TrailRole", "TrailLogGroup")}),
        ("nodegroup", {"VolumeGiB": 60}, {("LaunchTemplate", "Modify", "False")}),
        ("nodegroup", {"NodeGroup": "batch"}, {("LaunchTemplate", "Modify", "True")}),
        ("budget", {"MonthlyUsd": 400}, {("MonthlyBudget", "Modify", "False")}),
        ("budget", {"Email2": "finance@example.com"}, {("MonthlyBudget", "Modify", "True")}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)  # fmt: skip
def test_change_set_tells_what_a_parameter_changes(
    platform: Platform, template: str, changed: dict[str, Any], expected: set[tuple[str, str, str]]
) -> None:
    proposal = platform.aws.propose("UPDATE", **platform.request(template, **changed))
    changes = [change["ResourceChange"] for change in proposal["Changes"]]
    assert {(c["LogicalResourceId"], c["Action"], c.get("Replacement", "")) for c in changes} == expected


def test_a_replaced_vpc_takes_what_stands_on_it_along(platform: Platform) -> None:
    proposal = platform.aws.propose("UPDATE", **platform.request("network", VpcCidr="10.0.0.0/17"))
    changes = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in proposal["Changes"]}
    assert changes["Vpc"]["Replacement"] == "True"
    subnet = changes["PrivateSubnet1"]
    assert subnet["Replacement"] == "Conditional"
    (detail,) = subnet["Details"]
    assert (detail["ChangeSource"], detail["CausingEntity"], detail["Evaluation"]) == (
        "ResourceReference",
        "Vpc",
        "Dynamic",
    )


def test_changed_stack_tags_reach_what_takes_tags(platform: Platform) -> None:
    proposal = platform.aws.propose("UPDATE", **platform.request("encryption", tags={**TAGS, "team": "data"}))
    changes = [change["ResourceChange"] for change in proposal["Changes"]]
    assert {c["LogicalResourceId"]: c["Scope"] for c in changes} == {
        name: ["Tags"] for name in ("SecretsKey", "LogsKey", "DataKey")
    }


def test_buckets_are_as_the_template_says(platform: Platform) -> None:
    s3 = platform.aws.client("s3")
    name = platform.outputs["state"]["BucketName"]
    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": platform.outputs["state"]["StateKeyArn"],
    }
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]}
    assert rules["expire-reports"]["Filter"] == {"Prefix": "reports/"}
    assert rules["expire-reports"]["Expiration"]["Days"] == 365
    policy = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Deny"}
    log_target = s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetBucket"]
    assert log_target == platform.outputs["state"]["AccessLogBucketName"]


def test_network_reaches_out_from_private_subnets_through_its_own_zone(platform: Platform) -> None:
    ec2 = platform.aws.client("ec2")
    outputs = platform.outputs["network"]
    zone_of = {
        subnet["SubnetId"]: subnet["AvailabilityZone"]
        for subnet in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [outputs["VpcId"]]}])["Subnets"]
    }
    gateways = {g["NatGatewayId"]: g for g in ec2.describe_nat_gateways()["NatGateways"] if g["State"] == "available"}
    for subnet in outputs["PrivateSubnetIds"].split(","):
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
        (gateway,) = [route["NatGatewayId"] for route in table["Routes"] if route.get("NatGatewayId")]
        assert zone_of[gateways[gateway]["SubnetId"]] == zone_of[subnet]
    addresses = {a["PublicIp"] for g in gateways.values() for a in g["NatGatewayAddresses"]}
    assert addresses == set(outputs["NatAddresses"].split(","))
    (log,) = ec2.describe_flow_logs()["FlowLogs"]
    assert (log["ResourceId"], log["LogGroupName"], log["TrafficType"]) == (
        outputs["VpcId"],
        "/aws/vpc/slipway-dev/flow",
        "ALL",
    )


def test_log_groups_never_lack_retention_and_key(platform: Platform) -> None:
    groups = platform.aws.client("logs").describe_log_groups()["logGroups"]
    assert {group["logGroupName"]: group.get("retentionInDays") for group in groups} == {
        "/aws/eks/slipway-dev/cluster": 30,
        "/aws/vpc/slipway-dev/flow": 30,
        "/aws/cloudtrail/slipway-dev/trail": 90,
        **{f"/aws/containerinsights/slipway-dev/{n}": 14 for n in ("application", "dataplane", "host", "performance")},
    }
    assert {group["kmsKeyId"] for group in groups} == {platform.outputs["encryption"]["LogsKeyArn"]}


def test_stack_tags_reach_resources(platform: Platform) -> None:
    ec2, iam = platform.aws.client("ec2"), platform.aws.client("iam")
    vpc = ec2.describe_vpcs(VpcIds=[platform.outputs["network"]["VpcId"]])["Vpcs"][0]
    tags = {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}
    assert tags.items() >= TAGS.items()
    assert tags["aws:cloudformation:stack-name"] == "slipway-dev-network"
    assert tags["aws:cloudformation:logical-id"] == "Vpc"
    role = iam.get_role(RoleName="slipway-dev-us-east-1-node")["Role"]
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == TAGS


def test_roles_hold_their_policies(platform: Platform) -> None:
    iam = platform.aws.client("iam")
    attached = iam.list_attached_role_policies(RoleName="slipway-dev-us-east-1-node")["AttachedPolicies"]
    assert {policy["PolicyName"] for policy in attached} == {
        "AmazonEKSWorkerNodePolicy",
        "AmazonEC2ContainerRegistryPullOnly",
    }
    read = iam.get_role_policy(RoleName="slipway-dev-us-east-1-external-secrets", PolicyName="read-own-secrets")
    statement = read["PolicyDocument"]["Statement"][0]
    assert statement["Resource"] == "arn:aws:secretsmanager:us-east-1:123456789012:secret:slipway-dev/*"


def test_launch_template_tags_instances_volumes_and_interfaces(platform: Platform) -> None:
    ec2 = platform.aws.client("ec2")
    template = platform.outputs["nodegroup"]["LaunchTemplateId"]
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    data = versions[0]["LaunchTemplateData"]
    # moto repeats the template's own tags among those of what it launches.
    launched = [spec for spec in data["TagSpecifications"] if spec["ResourceType"] != "launch-template"]
    assert [spec["ResourceType"] for spec in launched] == ["instance", "volume", "network-interface"]
    for specification in launched:
        tags = {tag["Key"]: tag["Value"] for tag in specification["Tags"]}
        assert tags == {**TAGS, "Name": "slipway-dev-primary", "slipway:node-group": "primary", "team": "data platform"}
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_trail_records_and_budget_warns(platform: Platform) -> None:
    cloudtrail, budgets = platform.aws.client("cloudtrail"), platform.aws.client("budgets")
    assert cloudtrail.get_trail_status(Name="slipway-dev-us-east-1")["IsLogging"]
    name = platform.outputs["budget"]["BudgetName"]
    found = budgets.describe_notifications_for_budget(AccountId="123456789012", BudgetName=name)["Notifications"]
    assert {(n["NotificationType"], n["Threshold"]) for n in found} == {
        ("ACTUAL", 80.0),
        ("ACTUAL", 100.0),
        ("FORECASTED", 100.0),
    }


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_nobody_touched_has_not_drifted(platform: Platform, template: str) -> None:
    stack = f"slipway-dev-{template}"
    detection = platform.aws.stacks.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
    status = platform.aws.stacks.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    drifts = platform.aws.stacks.describe_stack_resource_drifts(StackName=stack)["StackResourceDrifts"]
    assert [(d["LogicalResourceId"], d["PropertyDifferences"]) for d in drifts if d["PropertyDifferences"]] == []
    assert status["StackDriftStatus"] == "IN_SYNC"


def test_all_stacks_go_and_only_the_kept_stay(server: Aws) -> None:
    server.cloud.reset()
    platform = Platform(server)
    platform.make_all()
    ec2, s3, kms = server.client("ec2"), server.client("s3"), server.client("kms")
    for template in reversed(TEMPLATES):
        stack_id = server.describe(f"slipway-dev-{template}")["StackId"]
        server.stacks.delete_stack(StackName=stack_id)
        assert server.settle(stack_id)["StackStatus"] == "DELETE_COMPLETE", server.reasons(stack_id, "DELETE_FAILED")
    assert [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]] == []
    assert ec2.describe_addresses()["Addresses"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert [r for r in server.client("iam").list_roles()["Roles"] if r["RoleName"].startswith("slipway-")] == []
    assert server.client("logs").describe_log_groups()["logGroups"] == []
    assert server.client("cloudtrail").list_trails()["Trails"] == []
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {
        f"slipway-dev-123456789012-us-east-1{suffix}" for suffix in ("", "-audit", "-access")
    }
    states = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    usable = [found["Description"] for found in states if found["KeyState"] == "Enabled"]
    assert usable == ["slipway-dev: state and audit buckets"]
