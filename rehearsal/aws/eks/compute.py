"""The EC2 side of a node group: launch template, instance profile, Auto Scaling group and its instances."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.eks.nodegroup_rules import template_data
from rehearsal.aws.eks.state import Cluster, Nodegroup
from rehearsal.aws.local import client

_DEFAULT_DISK_GIB = 20
_ROOT_DEVICE = "/dev/xvda"


def create(cluster: Cluster, group: Nodegroup) -> None:
    """Create launch template, instance profile and Auto Scaling group; the group launches the instances."""
    name = group_name(group)
    _create_instance_profile(cluster, group)
    made = client("ec2", cluster.region).create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=_launch_data(cluster, group),
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": _tag_list(_eks_tags(group))}],
    )["LaunchTemplate"]
    group.launch_template_id = made["LaunchTemplateId"]
    sizes = group.data["scalingConfig"]
    client("autoscaling", cluster.region).create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=sizes["minSize"],
        MaxSize=sizes["maxSize"],
        DesiredCapacity=sizes["desiredSize"],
        VPCZoneIdentifier=",".join(group.data["subnets"]),
        LaunchTemplate={"LaunchTemplateId": group.launch_template_id, "Version": "1"},
        Tags=[
            {"Key": key, "Value": value, "PropagateAtLaunch": True, "ResourceId": name}
            for key, value in _group_tags(cluster, group).items()
        ],
    )


def delete(cluster: Cluster, group: Nodegroup) -> None:
    """Terminate the instances and remove group, template and profile; what is gone already is fine."""
    name = group_name(group)
    if describe(cluster, group) is not None:
        client("autoscaling", cluster.region).delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    ec2, iam = client("ec2", cluster.region), client("iam", cluster.region)
    role = group.data["nodeRole"].rsplit("/", 1)[-1]
    _unless_gone(lambda: ec2.delete_launch_template(LaunchTemplateId=group.launch_template_id or "none"))
    _unless_gone(lambda: iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role))
    _unless_gone(lambda: iam.delete_instance_profile(InstanceProfileName=name))


def resize(cluster: Cluster, group: Nodegroup) -> None:
    """Bring the Auto Scaling group to the node group's sizes."""
    sizes = group.data["scalingConfig"]
    client("autoscaling", cluster.region).update_auto_scaling_group(
        AutoScalingGroupName=group_name(group),
        MinSize=sizes["minSize"],
        MaxSize=sizes["maxSize"],
        DesiredCapacity=sizes["desiredSize"],
    )


def renew_template(cluster: Cluster, group: Nodegroup) -> None:
    """Make the template launch the group's present version; instances that run are not touched."""
    ec2 = client("ec2", cluster.region)
    made = ec2.create_launch_template_version(
        LaunchTemplateId=group.launch_template_id, LaunchTemplateData=_launch_data(cluster, group)
    )["LaunchTemplateVersion"]
    version = str(made["VersionNumber"])
    ec2.modify_launch_template(LaunchTemplateId=group.launch_template_id, DefaultVersion=version)
    client("autoscaling", cluster.region).update_auto_scaling_group(
        AutoScalingGroupName=group_name(group),
        LaunchTemplate={"LaunchTemplateId": group.launch_template_id, "Version": version},
    )


def replace(cluster: Cluster, instance_ids_to_replace: list[str]) -> None:
    """Terminate instances of an Auto Scaling group, which launches others in their place."""
    autoscaling = client("autoscaling", cluster.region)
    for instance_id in instance_ids_to_replace:
        autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
        )


def describe(cluster: Cluster, group: Nodegroup) -> dict[str, Any] | None:
    """The Auto Scaling group, or None when there is none (yet, or any more)."""
    found = client("autoscaling", cluster.region).describe_auto_scaling_groups(
        AutoScalingGroupNames=[group_name(group)]
    )["AutoScalingGroups"]
    return found[0] if found else None


def instances(cluster: Cluster, group: Nodegroup) -> list[dict[str, str]]:
    """The group's running instances with their zones and private addresses, oldest first."""
    scaling = describe(cluster, group)
    ids = [instance["InstanceId"] for instance in scaling["Instances"]] if scaling else []
    if not ids:
        return []
    pages = client("ec2", cluster.region).describe_instances(InstanceIds=ids)["Reservations"]
    running = [i for page in pages for i in page["Instances"] if i["State"]["Name"] in ("pending", "running")]
    return [
        {
            "instanceId": instance["InstanceId"],
            "zone": instance["Placement"]["AvailabilityZone"],
            "privateDnsName": instance["PrivateDnsName"],
            "privateIpAddress": instance["PrivateIpAddress"],
        }
        for instance in sorted(running, key=lambda i: (i["LaunchTime"], i["InstanceId"]))
    ]


def instance_ids(cluster: Cluster, group: Nodegroup) -> list[str]:
    """Ids of the group's running instances."""
    return [instance["instanceId"] for instance in instances(cluster, group)]


def disk_gib(cluster: Cluster, group: Nodegroup) -> int:
    """Size of the root volume of a node in GiB."""
    template = group.data.get("launchTemplate")
    if not template:
        return int(group.data["diskSize"])
    mappings = template_data(template, cluster.region).get("BlockDeviceMappings", [])
    sizes = [mapping["Ebs"]["VolumeSize"] for mapping in mappings if mapping.get("Ebs", {}).get("VolumeSize")]
    return int(sizes[0]) if sizes else _DEFAULT_DISK_GIB


def group_name(group: Nodegroup) -> str:
    """Name of the Auto Scaling group, and of the launch template and the instance profile."""
    return str(group.data["resources"]["autoScalingGroups"][0]["name"])


def _launch_data(cluster: Cluster, group: Nodegroup) -> dict[str, Any]:
    given = template_data(group.data["launchTemplate"], cluster.region) if "launchTemplate" in group.data else {}
    data = {
        "ImageId": _image_id(group),
        "InstanceType": group.data["instanceTypes"][0],
        "SecurityGroupIds": [cluster.data["resourcesVpcConfig"]["clusterSecurityGroupId"]],
        "BlockDeviceMappings": [
            {
                "DeviceName": _ROOT_DEVICE,
                "Ebs": {
                    "VolumeSize": disk_gib(cluster, group),
                    "VolumeType": "gp3",
                    "DeleteOnTermination": True,
                    "Encrypted": False,
                },
            }
        ],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "IamInstanceProfile": {"Name": group_name(group)},
        **given,
    }
    if group.data["capacityType"] == "SPOT":
        data["InstanceMarketOptions"] = {"MarketType": "spot"}
    return data


def _image_id(group: Nodegroup) -> str:
    """An image id that is the same for the same AMI type and release, as AWS publishes one AMI for each."""
    text = f"{group.data['amiType']}/{group.data['releaseVersion']}"
    return f"ami-{hashlib.sha256(text.encode()).hexdigest()[:17]}"


def _create_instance_profile(cluster: Cluster, group: Nodegroup) -> None:
    iam, name = client("iam", cluster.region), group_name(group)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=group.data["nodeRole"].rsplit("/", 1)[-1])


def _eks_tags(group: Nodegroup) -> dict[str, str]:
    return {"eks:cluster-name": group.data["clusterName"], "eks:nodegroup-name": group.data["nodegroupName"]}


def _group_tags(cluster: Cluster, group: Nodegroup) -> dict[str, str]:
    return {
        **_eks_tags(group),
        f"kubernetes.io/cluster/{cluster.name}": "owned",
        "k8s.io/cluster-autoscaler/enabled": "true",
        f"k8s.io/cluster-autoscaler/{cluster.name}": "owned",
    }


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _unless_gone(action: Callable[[], Any]) -> None:
    try:
        action()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "NotFound" not in code and code != "NoSuchEntity":
            raise
