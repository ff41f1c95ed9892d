"""Node groups: instances in EC2, nodes on the Kubernetes side, and how both follow changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.aws.conftest import Aws, Platform

_NAMES = {"clusterName": "slipway-dev", "nodegroupName": "primary"}
_PATH = "/clusters/us-east-1.slipway-dev/nodegroups/primary"


def _running(aws: Aws) -> list[dict[str, Any]]:
    pages = aws.client("ec2").describe_instances()["Reservations"]
    return [i for page in pages for i in page["Instances"] if i["State"]["Name"] == "running"]


def _tags(resource: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


def test_group_has_instances_over_the_zones_and_nodes_with_their_capacity(
    aws: Aws, eks: Any, nodegroup: dict[str, Any]
) -> None:
    assert nodegroup["scalingConfig"] == {"minSize": 1, "desiredSize": 2, "maxSize": 4}
    assert nodegroup["amiType"] == "AL2023_x86_64_STANDARD"
    assert nodegroup["diskSize"] == 20
    group_name = nodegroup["resources"]["autoScalingGroups"][0]["name"]
    group = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["AutoScalingGroupName"] == group_name
    assert _tags(group)["k8s.io/cluster-autoscaler/slipway-dev"] == "owned"
    instances = _running(aws)
    assert len({instance["Placement"]["AvailabilityZone"] for instance in instances}) == 2
    assert _tags(instances[0])["eks:nodegroup-name"] == "primary"
    assert instances[0]["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    volumes = aws.client("ec2").describe_volumes()["Volumes"]
    assert [(volume["Size"], volume["VolumeType"]) for volume in volumes] == [(20, "gp3")] * 2
    sent = aws.kubernetes.objects[_PATH]
    assert sent["desired"] == 2
    assert sent["zones"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert sent["capacity"]["pods"] == "17"
    assert sent["allocatable"]["cpu"] == "1930m"
    assert {i["instanceId"] for i in sent["instances"]} == {i["InstanceId"] for i in instances}
    entry = eks.describe_access_entry(clusterName="slipway-dev", principalArn=nodegroup["nodeRole"])["accessEntry"]
    assert (entry["type"], entry["kubernetesGroups"]) == ("EC2_LINUX", ["system:nodes"])


def test_launch_template_tags_reach_instances_and_volumes(
    aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]
) -> None:
    tags = [{"Key": "slipway:environment", "Value": "dev"}]
    ebs = {"VolumeSize": 40, "VolumeType": "gp3", "DeleteOnTermination": True}
    made = aws.client("ec2").create_launch_template(
        LaunchTemplateName="slipway",
        LaunchTemplateData={
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": ebs}],
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        },
    )["LaunchTemplate"]
    request = platform.nodegroup_request(launchTemplate={"id": made["LaunchTemplateId"]}, capacityType="SPOT")
    created = eks.create_nodegroup(**request)["nodegroup"]
    assert created["launchTemplate"] == {"id": made["LaunchTemplateId"], "name": "slipway", "version": "1"}
    assert "diskSize" not in created
    aws.until(lambda: eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "ACTIVE")
    instances, volumes = _running(aws), aws.client("ec2").describe_volumes()["Volumes"]
    assert all(_tags(resource)["slipway:environment"] == "dev" for resource in [*instances, *volumes])
    assert {volume["Size"] for volume in volumes} == {40}
    assert {instance["InstanceLifecycle"] for instance in instances} == {"spot"}
    assert instances[0]["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    capacity = aws.kubernetes.objects[_PATH]["capacity"]
    assert capacity["ephemeral-storage"] == f"{40 * 1024 * 1024}Ki"


def test_scaling_labels_and_taints(aws: Aws, eks: Any, nodegroup: dict[str, Any]) -> None:
    with aws.paused():
        update = eks.update_nodegroup_config(
            **_NAMES,
            scalingConfig={"desiredSize": 3},
            labels={"addOrUpdateLabels": {"slipway.dev/workload": "primary"}},
            taints={"addOrUpdateTaints": [{"key": "dedicated", "value": "x", "effect": "NO_SCHEDULE"}]},
        )["update"]
        assert {"type": "DesiredSize", "value": "3"} in update["params"]
        assert eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "UPDATING"
        with pytest.raises(eks.exceptions.ResourceInUseException, match="not in Active State"):
            eks.update_nodegroup_config(**_NAMES, scalingConfig={"desiredSize": 1})
        with pytest.raises(eks.exceptions.ResourceInUseException, match="while it is UPDATING"):
            eks.delete_nodegroup(**_NAMES)
    aws.until(lambda: eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "ACTIVE")
    group = eks.describe_nodegroup(**_NAMES)["nodegroup"]
    assert group["scalingConfig"]["desiredSize"] == 3
    assert len({instance["Placement"]["AvailabilityZone"] for instance in _running(aws)}) == 3
    sent = aws.kubernetes.objects[_PATH]
    assert sent["labels"] == {"slipway.dev/workload": "primary"}
    assert sent["taints"] == [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]
    with pytest.raises(eks.exceptions.InvalidParameterException, match="can't be greater than max size"):
        eks.update_nodegroup_config(**_NAMES, scalingConfig={"desiredSize": 9})


def test_scale_to_zero_and_delete_leave_nothing(
    aws: Aws, platform: Platform, eks: Any, nodegroup: dict[str, Any]
) -> None:
    eks.update_nodegroup_config(**_NAMES, scalingConfig={"minSize": 0, "desiredSize": 0})
    aws.until(lambda: eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "ACTIVE")
    assert _running(aws) == []
    assert eks.delete_nodegroup(**_NAMES)["nodegroup"]["status"] == "DELETING"
    eks.get_waiter("nodegroup_deleted").wait(**_NAMES, WaiterConfig={"Delay": 0.1})
    ec2 = aws.client("ec2")
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert aws.client("iam").list_instance_profiles()["InstanceProfiles"] == []
    assert _PATH not in aws.kubernetes.objects
    assert nodegroup["nodeRole"] not in eks.list_access_entries(clusterName="slipway-dev")["accessEntries"]


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups look at their Auto Scaling group more often than is good for a long run."""
    monkeypatch.setattr("rehearsal.aws.eks.nodes._SHORTEST_FOLLOW_SECONDS", 0.3)


def test_group_follows_its_auto_scaling_group(aws: Aws, eks: Any, attentive: None, nodegroup: dict[str, Any]) -> None:
    name = nodegroup["resources"]["autoScalingGroups"][0]["name"]
    aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=4)
    aws.until(lambda: aws.kubernetes.objects[_PATH]["desired"] == 4)
    assert eks.describe_nodegroup(**_NAMES)["nodegroup"]["scalingConfig"]["desiredSize"] == 4
    lost = _running(aws)[0]["InstanceId"]
    aws.client("ec2").terminate_instances(InstanceIds=[lost])

    def replaced() -> bool:
        joined = {instance["instanceId"] for instance in aws.kubernetes.objects[_PATH]["instances"]}
        return lost not in joined and len(joined) == 4

    aws.until(replaced)


def test_nodes_that_never_join_fail_the_group(
    aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rehearsal.aws.eks.nodegroups._PATIENCE_SECONDS", 0.5)
    aws.kubernetes.unready.add("primary")
    eks.create_nodegroup(**platform.nodegroup_request())
    aws.until(lambda: eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "CREATE_FAILED")
    issue = eks.describe_nodegroup(**_NAMES)["nodegroup"]["health"]["issues"][0]
    assert issue["code"] == "NodeCreationFailure"
    assert len(issue["resourceIds"]) == 2


def test_prefix_delegation_raises_the_pod_limit(
    aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]
) -> None:
    values = '{"env": {"ENABLE_PREFIX_DELEGATION": "true"}}'
    eks.create_addon(clusterName="slipway-dev", addonName="vpc-cni", configurationValues=values)
    eks.create_nodegroup(**platform.nodegroup_request())
    aws.until(lambda: eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "ACTIVE")
    assert aws.kubernetes.objects[_PATH]["capacity"]["pods"] == "110"


def test_too_few_addresses_fail_the_group_and_it_can_be_deleted(
    aws: Aws, platform: Platform, eks: Any, cluster: dict[str, Any]
) -> None:
    ec2 = aws.client("ec2")
    made = ec2.create_subnet(VpcId=platform.vpc, CidrBlock="10.0.20.0/28", AvailabilityZone="us-east-1a")["Subnet"]
    sizes = {"minSize": 0, "desiredSize": 12, "maxSize": 12}
    eks.create_nodegroup(**platform.nodegroup_request(subnets=[made["SubnetId"]], scalingConfig=sizes))
    aws.until(lambda: eks.describe_nodegroup(**_NAMES)["nodegroup"]["status"] == "CREATE_FAILED")
    issue = eks.describe_nodegroup(**_NAMES)["nodegroup"]["health"]["issues"][0]
    assert issue["code"] == "AsgInstanceLaunchFailures"
    assert "there are 11 free addresses" in issue["message"]
    eks.delete_nodegroup(**_NAMES)
    eks.get_waiter("nodegroup_deleted").wait(**_NAMES, WaiterConfig={"Delay": 0.1})
    ec2.delete_subnet(SubnetId=made["SubnetId"])
