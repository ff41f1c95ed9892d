"""What AWS refuses is refused here, with AWS's error."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.aws.conftest import Standing


def _refusal(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "-leading"}, "regular expression pattern"),
        ({"name": "x" * 101}, "length less than or equal to 100"),
        ({"version": "1.99"}, "InvalidParameterException: unsupported Kubernetes version '1.99'; offered are"),
        ({"version": "1.29"}, "unsupported Kubernetes version"),
        ({"roleArn": "arn:aws:iam::123456789012:role/nobody"}, "it does not exist"),
        ({"resourcesVpcConfig": {"subnetIds": ["subnet-0123", "subnet-4567"]}}, "does not exist"),
        ({"accessConfig": {"authenticationMode": "SOMETIMES"}}, "enum value set"),
        ({"version": "1.33", "upgradePolicy": {"supportType": "STANDARD"}}, "is in extended support"),
        ({"computeConfig": {"enabled": True}}, "EKS Auto Mode"),
    ],
)
def test_create_cluster_refuses(standing: Standing, change: dict[str, Any], expected: str) -> None:
    request = standing.platform.cluster_request(**{"name": "another", **change})
    assert expected in _refusal(standing.eks.create_cluster, **request)
    assert standing.eks.list_clusters()["clusters"] == ["slipway-dev"]


def test_create_cluster_refuses_unfit_networks(standing: Standing) -> None:
    platform, ec2 = standing.platform, standing.aws.client("ec2")

    def refusal(**config: Any) -> str:
        vpc = {"subnetIds": platform.subnets, **config}
        return _refusal(standing.eks.create_cluster, **platform.cluster_request(name="another", resourcesVpcConfig=vpc))

    def subnet(cidr: str, zone: str) -> str:
        made = ec2.create_subnet(VpcId=platform.vpc, CidrBlock=cidr, AvailabilityZone=zone)
        return str(made["Subnet"]["SubnetId"])

    assert "two different AZs" in refusal(subnetIds=platform.subnets[:1])
    assert "two different AZs" in refusal(subnetIds=[platform.subnets[0], subnet("10.0.9.0/24", "us-east-1a")])
    foreign = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]["SubnetId"]
    assert "same VPC" in refusal(subnetIds=[platform.subnets[0], foreign])
    tiny = subnet("10.0.10.0/28", "us-east-1b")
    for _ in range(8):
        ec2.create_network_interface(SubnetId=tiny)
    assert "has 3 free IP addresses; at least 6" in refusal(subnetIds=[platform.subnets[0], tiny])
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    without = next(zone["ZoneName"] for zone in zones if zone["ZoneId"] == "use1-az3")
    bad = subnet("10.0.11.0/24", without)
    assert "UnsupportedAvailabilityZoneException" in refusal(subnetIds=[platform.subnets[0], bad])
    assert "cannot be false" in refusal(endpointPublicAccess=False, endpointPrivateAccess=False)
    assert "publicAccessCidrs" in refusal(publicAccessCidrs=["10.0.0.0/8"])
    assert "Invalid CIDR" in refusal(publicAccessCidrs=["1.2.3.4.5"])
    assert "InvalidParameterException" in refusal(securityGroupIds=["sg-0123"])


def test_create_cluster_refuses_a_role_that_does_not_trust_eks(standing: Standing) -> None:
    request = standing.platform.cluster_request(name="another", roleArn=standing.platform.roles["node"])
    assert "does not name eks.amazonaws.com" in _refusal(standing.eks.create_cluster, **request)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scalingConfig": {"minSize": 3, "desiredSize": 2, "maxSize": 4}}, "Minimum capacity 3 can't be greater"),
        ({"scalingConfig": {"minSize": 1, "desiredSize": 5, "maxSize": 4}}, "desired capacity 5 can't be greater"),
        ({"scalingConfig": {"minSize": -1, "desiredSize": 1, "maxSize": 1}}, "greater than or equal to 0"),
        ({"instanceTypes": ["t3.gigantic"]}, "supplied instance types do not exist: [t3.gigantic]"),
        ({"instanceTypes": ["t3.medium", "t4g.medium"]}, "mix the architectures"),
        ({"instanceTypes": ["t4g.medium"], "amiType": "AL2023_x86_64_STANDARD"}, "not a valid instance type"),
        ({"amiType": "AL2_x86_64"}, "only supported for kubernetes versions 1.32 or earlier"),
        ({"nodeRole": "arn:aws:iam::123456789012:role/nobody"}, "it does not exist"),
        ({"subnets": ["subnet-0123"]}, "does not exist"),
        ({"version": "1.32"}, "up to 3 minor versions older"),
        ({"labels": {"kubernetes.io/arch": "x"}}, "reserved prefixes"),
        ({"clusterName": "nobody"}, "ResourceNotFoundException: No cluster found for name: nobody."),
        ({"nodegroupName": "primary"}, "ResourceInUseException: NodeGroup already exists"),
        ({"launchTemplate": {"name": "nope"}}, "InvalidParameterException"),
        ({"launchTemplate": {"name": "x"}, "diskSize": 50}, "Disk size must be specified within the launch template"),
    ],
)
def test_create_nodegroup_refuses(standing: Standing, change: dict[str, Any], expected: str) -> None:
    request = standing.platform.nodegroup_request(**{"nodegroupName": "another", **change})
    assert expected in _refusal(standing.eks.create_nodegroup, **request)
    assert standing.eks.list_nodegroups(clusterName="slipway-dev")["nodegroups"] == ["primary"]


def test_versions_move_one_minor_at_a_time(standing: Standing) -> None:
    def refusal(version: str) -> str:
        return _refusal(standing.eks.update_cluster_version, name="slipway-dev", version=version)

    assert "already at version 1.36" in refusal("1.36")
    assert "one minor version at a time" in refusal("1.34")
    assert "one minor version at a time" in refusal("1.99")
    assert "was not upgraded from that version" in refusal("1.35")


def test_addon_refusals(standing: Standing) -> None:
    def refusal(**request: Any) -> str:
        return _refusal(standing.eks.create_addon, clusterName="slipway-dev", **request)

    assert "EKS offers" in refusal(addonName="nope")
    assert "fitting are" in refusal(addonName="vpc-cni", addonVersion="v0.1.0-eksbuild.1")
    assert "Json schema validation failed" in refusal(
        addonName="coredns", configurationValues='{"replicaCount": "two"}'
    )
    assert "a mapping is needed" in refusal(addonName="coredns", configurationValues="[]")
    unknown = "arn:aws:iam::123456789012:role/nobody"
    assert "does not exist" in refusal(addonName="vpc-cni", serviceAccountRoleArn=unknown)
    missing = _refusal(standing.eks.describe_addon, clusterName="slipway-dev", addonName="vpc-cni")
    assert missing == "ResourceNotFoundException: No addon: vpc-cni found in cluster: slipway-dev"


def test_config_update_takes_one_kind(standing: Standing) -> None:
    def refusal(**request: Any) -> str:
        return _refusal(standing.eks.update_cluster_config, name="slipway-dev", **request)

    assert "Only one type of update" in refusal(deletionProtection=True, zonalShiftConfig={"enabled": True})
    assert "Only one type of update" in refusal()
    assert "No changes needed" in refusal(deletionProtection=False)
    assert "not back" in refusal(accessConfig={"authenticationMode": "CONFIG_MAP"})


def test_what_is_not_offered_is_named(standing: Standing) -> None:
    request = {"clusterName": "slipway-dev", "fargateProfileName": "f", "podExecutionRoleArn": "arn"}
    refusal = _refusal(standing.eks.create_fargate_profile, **request)
    assert "The rehearsal does not offer eks:CreateFargateProfile" in refusal


def test_unknown_access_policy_is_refused(standing: Standing) -> None:
    policy = {"clusterName": "slipway-dev", "principalArn": standing.platform.roles["node"], "policyArn": "x"}
    refusal = _refusal(standing.eks.associate_access_policy, **policy, accessScope={"type": "cluster"})
    assert "ListAccessPolicies has those that exist" in refusal
