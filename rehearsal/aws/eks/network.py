"""What EKS asks of EC2's network, and what it leaves there: a security group and network interfaces."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.eks.state import Cluster
from rehearsal.aws.errors import AwsError, invalid_parameter
from rehearsal.aws.local import client
from rehearsal.aws.moto_fixes.dependencies import as_service

# EKS places no control plane in these zones (EKS user guide, "VPC and subnet considerations").
_ZONES_WITHOUT_EKS = {"use1-az3", "usw1-az2", "cac1-az3"}
_FREE_ADDRESSES = 6

# What EKS refuses; the documentation ranges pass, AWS's own examples use them.
_UNROUTABLE = [
    ipaddress.ip_network(cidr)
    for cidr in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
                 "192.168.0.0/16", "224.0.0.0/3")
]  # fmt: skip


def subnets_of(ids: list[str], region: str, **members: Any) -> list[dict[str, Any]]:
    """Look subnets up in EC2 in the order given; unknown ones are refused."""
    try:
        found = client("ec2", region).describe_subnets(SubnetIds=ids)["Subnets"] if ids else []
    except ClientError as error:
        raise invalid_parameter(error.response["Error"]["Message"], **members) from error
    by_id = {subnet["SubnetId"]: subnet for subnet in found}
    return [by_id[subnet_id] for subnet_id in ids]


def require_cluster_subnets(ids: list[str], region: str, name: str) -> list[dict[str, Any]]:
    """Refuse subnets in which EKS could not place a control plane."""
    subnets = subnets_of(ids, region, clusterName=name)
    if len({subnet["VpcId"] for subnet in subnets}) > 1:
        raise invalid_parameter("Subnets specified must belong to the same VPC.", clusterName=name)
    unsupported = sorted({s["AvailabilityZone"] for s in subnets if s["AvailabilityZoneId"] in _ZONES_WITHOUT_EKS})
    if unsupported:
        valid = _zones_with_eks(region)
        raise AwsError(
            "UnsupportedAvailabilityZoneException",
            f"Cannot create cluster '{name}' because {unsupported[0]}, the targeted availability zone, does not "
            "currently have sufficient capacity to support the cluster. Retry and choose from these availability "
            f"zones: {', '.join(valid)}",
            clusterName=name,
            validZones=valid,
        )
    if len({subnet["AvailabilityZone"] for subnet in subnets}) < 2:
        raise invalid_parameter("Subnets specified must be in at least two different AZs", clusterName=name)
    for subnet in subnets:
        require_free_addresses(subnet, _FREE_ADDRESSES, clusterName=name)
    return subnets


def require_free_addresses(subnet: dict[str, Any], needed: int, **members: Any) -> None:
    """Refuse a subnet with fewer than ``needed`` free addresses."""
    free = subnet["AvailableIpAddressCount"]
    if free < needed:
        raise invalid_parameter(
            f"Subnet {subnet['SubnetId']} ({subnet['CidrBlock']}) has {free} free IP addresses; at least {needed} "
            "are needed. Use a larger subnet or free addresses in it",
            **members,
        )


def require_security_groups(ids: list[str], vpc_id: str, region: str, **members: Any) -> None:
    """Refuse security groups that are unknown or of another VPC."""
    if not ids:
        return
    try:
        groups = client("ec2", region).describe_security_groups(GroupIds=ids)["SecurityGroups"]
    except ClientError as error:
        raise invalid_parameter(error.response["Error"]["Message"], **members) from error
    foreign = [group["GroupId"] for group in groups if group["VpcId"] != vpc_id]
    if foreign:
        raise invalid_parameter(f"Security group {foreign[0]} is not in VPC {vpc_id} of the subnets", **members)


def create_cluster_security_group(cluster: Cluster) -> str:
    """Create the security group that EKS puts on control plane and nodes, tagged as EKS does."""
    ec2 = client("ec2", cluster.region)
    name = cluster.name
    group_name = f"eks-cluster-sg-{name}-{secrets.randbelow(10**9)}"
    group_id: str = ec2.create_security_group(
        GroupName=group_name,
        Description="EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
        "as well as any managed workloads.",
        VpcId=cluster.data["resourcesVpcConfig"]["vpcId"],
    )["GroupId"]
    ec2.create_tags(
        Resources=[group_id],
        Tags=[
            {"Key": "Name", "Value": group_name},
            {"Key": f"kubernetes.io/cluster/{name}", "Value": "owned"},
            {"Key": "aws:eks:cluster-name", "Value": name},
        ],
    )
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}]
    )
    return group_id


def create_control_plane_interfaces(cluster: Cluster) -> list[str]:
    """Create the control plane's network interfaces, two in different zones as EKS does."""
    ec2 = client("ec2", cluster.region)
    config = cluster.data["resourcesVpcConfig"]
    by_zone = {s["AvailabilityZone"]: s["SubnetId"] for s in reversed(subnets_of(config["subnetIds"], cluster.region))}
    made = []
    for zone in sorted(by_zone)[:2]:
        interface = ec2.create_network_interface(
            SubnetId=by_zone[zone],
            Description=f"Amazon EKS {cluster.name}",
            Groups=[config["clusterSecurityGroupId"], *config.get("securityGroupIds", [])],
            TagSpecifications=[
                {
                    "ResourceType": "network-interface",
                    "Tags": [{"Key": f"kubernetes.io/cluster/{cluster.name}", "Value": "owned"}],
                }
            ],
        )
        made.append(interface["NetworkInterface"]["NetworkInterfaceId"])
    return made


def delete_network(cluster: Cluster) -> None:
    """Remove the interfaces and the security group; what is gone already is fine."""
    ec2 = client("ec2", cluster.region)
    with as_service():
        for interface in cluster.network_interfaces:
            _ignoring(
                partial(ec2.delete_network_interface, NetworkInterfaceId=interface),
                "InvalidNetworkInterfaceID.NotFound",
            )
    group = cluster.data["resourcesVpcConfig"].get("clusterSecurityGroupId")
    if group:
        # EKS leaves the group behind when something else still uses it.
        _ignoring(lambda: ec2.delete_security_group(GroupId=group), "InvalidGroup.NotFound", "DependencyViolation")


def _ignoring(action: Callable[[], Any], *codes: str) -> None:
    try:
        action()
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise


def _zones_with_eks(region: str) -> list[str]:
    zones = client("ec2", region).describe_availability_zones()["AvailabilityZones"]
    return sorted(zone["ZoneName"] for zone in zones if zone["ZoneId"] not in _ZONES_WITHOUT_EKS)


def require_endpoint_access(config: dict[str, Any], **members: Any) -> None:
    """Refuse an API endpoint that nobody could reach, or public CIDRs without public access or that are none."""
    if not config["endpointPublicAccess"] and not config["endpointPrivateAccess"]:
        raise invalid_parameter("Private and public endpoint access cannot be false", **members)
    for cidr in config["publicAccessCidrs"]:
        try:
            parsed = ipaddress.ip_network(cidr)
        except ValueError as error:
            raise invalid_parameter(
                f"Invalid CIDR block found in publicAccessCidrs: {cidr} ({error})", **members
            ) from error
        if parsed.prefixlen and any(parsed.overlaps(range_) for range_ in _UNROUTABLE):
            raise invalid_parameter(
                f"The following CIDRs are invalid in publicAccessCidrs: [{cidr}]; reserved and private ranges are "
                "not allowed",
                **members,
            )
