"""What a platform's controllers and AWS's services leave in an account, of all the kinds that a teardown sweeps."""

from __future__ import annotations

from typing import Any

from rehearsal.cloud import Cloud
from tests.security.conftest import client

NAME = "slipway-dev"
OURS = {"slipway:platform": NAME, "slipway:managed-by": "slipway", "slipway:environment": "dev"}


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def plant(cloud: Cloud) -> None:
    """Leave one of each behind, marked as those mark them that make it."""
    ec2, elb, logs = (client(cloud, service) for service in ("ec2", "elbv2", "logs"))
    vpc = _vpc(ec2)
    subnets = [
        one["SubnetId"]
        for one in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        if any(tag["Key"] == "kubernetes.io/role/elb" for tag in one["Tags"])
    ]
    group = ec2.create_security_group(GroupName="k8s-apps-x-0123456789", Description="[k8s]", VpcId=vpc)["GroupId"]
    ec2.create_tags(Resources=[group], Tags=_pairs({"elbv2.k8s.aws/cluster": NAME}))
    marked = _pairs({"elbv2.k8s.aws/cluster": NAME})
    elb.create_load_balancer(Name="k8s-x", Subnets=subnets[:2], SecurityGroups=[group], Tags=marked)
    elb.create_target_group(Name="k8s-x-tg", Protocol="HTTP", Port=80, VpcId=vpc, Tags=marked)
    owned = _pairs({f"kubernetes.io/cluster/{NAME}": "owned"})
    ec2.create_volume(
        Size=1, AvailabilityZone="us-east-1a", TagSpecifications=[{"ResourceType": "volume", "Tags": owned}]
    )
    ec2.create_network_interface(SubnetId=subnets[0], Description="aws-K8S-i-0123456789abcdef0", Groups=[group])
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.create_tags(Resources=[address], Tags=_pairs(OURS))
    logs.create_log_group(logGroupName=f"/aws/containerinsights/{NAME}/left")
    _by_name(cloud)


def _by_name(cloud: Cloud) -> None:
    """Things that carry our tags and lie in no stack."""
    tags = _pairs(OURS)
    client(cloud, "cloudwatch").put_metric_alarm(
        AlarmName=f"{NAME}-left", MetricName="x", Namespace="Slipway", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", Tags=tags,
    )  # fmt: skip
    events = client(cloud, "events")
    events.put_rule(Name=f"{NAME}-left", ScheduleExpression="rate(1 hour)", Tags=tags)
    events.put_targets(Rule=f"{NAME}-left", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:x"}])
    iam = client(cloud, "iam")
    trust = '{"Version":"2012-10-17","Statement":[]}'
    iam.create_role(RoleName=f"{NAME}-us-east-1-left", AssumeRolePolicyDocument=trust, Tags=tags)
    iam.put_role_policy(RoleName=f"{NAME}-us-east-1-left", PolicyName="p", PolicyDocument=trust)
    iam.create_instance_profile(InstanceProfileName=f"{NAME}-left", Tags=tags)
    iam.add_role_to_instance_profile(InstanceProfileName=f"{NAME}-left", RoleName=f"{NAME}-us-east-1-left")
    key = client(cloud, "kms").create_key(Tags=[{"TagKey": key, "TagValue": value} for key, value in OURS.items()])
    client(cloud, "kms").create_alias(AliasName=f"alias/{NAME}-data-left", TargetKeyId=key["KeyMetadata"]["KeyId"])


def _vpc(ec2: Any) -> str:
    wanted = [{"Name": "tag:slipway:platform", "Values": [NAME]}]
    return str(ec2.describe_vpcs(Filters=wanted)["Vpcs"][0]["VpcId"])
