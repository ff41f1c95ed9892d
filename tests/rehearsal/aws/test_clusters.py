"""Clusters: gradual states and what they leave in EC2."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.aws.conftest import Aws, Platform

_QUICK = {"Delay": 0.1, "MaxAttempts": 200}  # type: ignore[var-annotated]


def test_create_becomes_active_with_the_endpoint_of_the_kubernetes_side(aws: Aws, platform: Platform, eks: Any) -> None:
    with aws.paused():
        created = eks.create_cluster(**platform.cluster_request(tags={"slipway:environment": "dev"}))["cluster"]
        assert eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "CREATING"
    assert "endpoint" not in created
    assert created["resourcesVpcConfig"]["publicAccessCidrs"] == ["0.0.0.0/0"]
    eks.get_waiter("cluster_active").wait(name="slipway-dev", WaiterConfig=_QUICK)
    cluster = eks.describe_cluster(name="slipway-dev")["cluster"]
    assert cluster["endpoint"] == "https://127.0.0.1:6443"
    assert cluster["certificateAuthority"] == {"data": "Q0E="}
    assert cluster["identity"]["oidc"]["issuer"].startswith("https://oidc.eks.us-east-1.amazonaws.com/id/")
    assert cluster["tags"] == {"slipway:environment": "dev"}
    sent = aws.kubernetes.objects["/clusters/us-east-1.slipway-dev"]
    assert sent["version"] == "1.36"
    assert sent["creatorArn"] == aws.client("sts").get_caller_identity()["Arn"]
    assert sent["bootstrapCreatorAdmin"] is True
    addons = {path.rsplit("/", 1)[-1] for path in aws.kubernetes.objects if "/addons/" in path}
    assert addons == {"vpc-cni", "kube-proxy", "coredns"}, "bootstrapSelfManagedAddons is on by default"


def test_create_leaves_a_security_group_interfaces_and_a_log_group(aws: Aws, platform: Platform, eks: Any) -> None:
    ec2, logs = aws.client("ec2"), aws.client("logs")
    logging = {"clusterLogging": [{"types": ["audit", "api"], "enabled": True}]}
    created = eks.create_cluster(**platform.cluster_request(logging=logging))["cluster"]
    group_id = created["resourcesVpcConfig"]["clusterSecurityGroupId"]
    group = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    assert {"Key": "kubernetes.io/cluster/slipway-dev", "Value": "owned"} in group["Tags"]
    described = [{"Name": "description", "Values": ["Amazon EKS slipway-dev"]}]
    interfaces = ec2.describe_network_interfaces(Filters=described)["NetworkInterfaces"]
    assert len({interface["AvailabilityZone"] for interface in interfaces}) == 2
    with pytest.raises(ClientError, match="managed by an AWS service"):
        ec2.delete_network_interface(NetworkInterfaceId=interfaces[0]["NetworkInterfaceId"])
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_subnet(SubnetId=interfaces[0]["SubnetId"])
    assert logs.describe_log_groups()["logGroups"][0]["logGroupName"] == "/aws/eks/slipway-dev/cluster"
    eks.get_waiter("cluster_active").wait(name="slipway-dev", WaiterConfig=_QUICK)
    with aws.paused():
        logs.delete_log_group(logGroupName="/aws/eks/slipway-dev/cluster")
        assert eks.delete_cluster(name="slipway-dev")["cluster"]["status"] == "DELETING"
        assert eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "DELETING"
    eks.get_waiter("cluster_deleted").wait(name="slipway-dev", WaiterConfig=_QUICK)
    assert ec2.describe_network_interfaces(Filters=described)["NetworkInterfaces"] == []
    for subnet in platform.subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=platform.vpc)
    assert logs.describe_log_groups()["logGroups"], "late log lines bring the group back"
    assert "/clusters/us-east-1.slipway-dev" not in aws.kubernetes.objects


def test_same_token_returns_the_same_cluster_and_another_does_not(platform: Platform, eks: Any) -> None:
    request = platform.cluster_request(clientRequestToken="token-1")
    first = eks.create_cluster(**request)["cluster"]
    assert eks.create_cluster(**request)["cluster"]["createdAt"] == first["createdAt"]
    with pytest.raises(eks.exceptions.InvalidParameterException, match="used before with other parameters"):
        eks.create_cluster(**{**request, "version": "1.35"})
    with pytest.raises(eks.exceptions.ResourceInUseException, match="already exists"):
        eks.create_cluster(**platform.cluster_request())


def test_absence_is_resource_not_found_and_regions_are_apart(aws: Aws, platform: Platform, eks: Any) -> None:
    with pytest.raises(eks.exceptions.ResourceNotFoundException, match="No cluster found for name: nobody"):
        eks.describe_cluster(name="nobody")
    eks.create_cluster(**platform.cluster_request())
    assert eks.list_clusters()["clusters"] == ["slipway-dev"]
    assert aws.client("eks", "eu-west-1").list_clusters()["clusters"] == []


def test_delete_is_refused_while_creating_protected_or_in_use(
    aws: Aws, platform: Platform, eks: Any, nodegroup: dict[str, Any]
) -> None:
    with aws.paused():
        eks.create_cluster(**platform.cluster_request(name="young"))
        with pytest.raises(eks.exceptions.ResourceInUseException, match="in progress"):
            eks.delete_cluster(name="young")
    with pytest.raises(eks.exceptions.ResourceInUseException, match="nodegroups attached: primary"):
        eks.delete_cluster(name="slipway-dev")
    eks.update_cluster_config(name="slipway-dev", deletionProtection=True)
    aws.until(lambda: eks.describe_cluster(name="slipway-dev")["cluster"]["status"] == "ACTIVE")
    with pytest.raises(eks.exceptions.InvalidRequestException, match="deletionProtection"):
        eks.delete_cluster(name="slipway-dev")


def test_cluster_waits_for_the_kubernetes_side_and_says_so(aws: Aws, platform: Platform, eks: Any) -> None:
    aws.kubernetes.broken = True
    eks.create_cluster(**platform.cluster_request())
    describe = lambda: eks.describe_cluster(name="slipway-dev")["cluster"]  # noqa: E731
    issue = aws.until(lambda: describe()["health"]["issues"])[0]
    assert issue["code"] == "ClusterUnreachable"
    assert describe()["status"] == "CREATING"
    aws.kubernetes.broken = False
    aws.until(lambda: describe()["status"] == "ACTIVE")
    assert describe()["health"]["issues"] == []


def test_tags_of_everything_by_arn(eks: Any, cluster: dict[str, Any]) -> None:
    eks.tag_resource(resourceArn=cluster["arn"], tags={"a": "1", "b": "2"})
    eks.untag_resource(resourceArn=cluster["arn"], tagKeys=["a"])
    assert eks.list_tags_for_resource(resourceArn=cluster["arn"])["tags"] == {"b": "2"}
    assert eks.describe_cluster(name="slipway-dev")["cluster"]["tags"] == {"b": "2"}
    with pytest.raises(eks.exceptions.NotFoundException):
        eks.list_tags_for_resource(resourceArn=cluster["arn"] + "x")
