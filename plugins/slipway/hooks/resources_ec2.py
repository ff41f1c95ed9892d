"""The EC2 part of the inventory: machines, disks, and all of the network. Every function lists one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from slipway.hooks.aws import client, tags_of
from slipway.model.resource import Kind, Resource

# States in which a resource is gone, or on a way that nothing stops, and costs nothing.
GONE = frozenset({"terminated", "shutting-down", "deleted", "deleting"})


def pages(region: str, service: str, operation: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Items of all pages of a listing."""
    api = client(service, region)
    if not api.can_paginate(operation):
        yield from getattr(api, operation)(**arguments).get(key) or []
        return
    for page in api.get_paginator(operation).paginate(**arguments):
        yield from page.get(key) or []


def made(kind: Kind, region: str, identifier: str, found: dict[str, Any], **attributes: Any) -> Resource:
    """A resource of EC2: tags as EC2 gives them, name from the tag, absent attributes left out."""
    tags = tags_of(found.get("Tags") or [])
    known = {key: value for key, value in attributes.items() if value not in (None, "", [])}
    return Resource(
        kind=kind, id=identifier, region=region, name=tags.get("Name", identifier), tags=tags, attributes=known
    )


def instances(region: str) -> Iterator[Resource]:
    """Instances that are not gone."""
    for reservation in pages(region, "ec2", "describe_instances", "Reservations"):
        for one in reservation["Instances"]:
            state = one["State"]["Name"]
            if state in GONE:
                continue
            yield made(
                Kind.INSTANCE,
                region,
                one["InstanceId"],
                one,
                type=one["InstanceType"],
                state=state,
                spot=one.get("InstanceLifecycle") == "spot",
                zone=one.get("Placement", {}).get("AvailabilityZone"),
                launched=one["LaunchTime"].isoformat(),
                vpc=one.get("VpcId"),
            )


def volumes(region: str) -> Iterator[Resource]:
    """EBS volumes, those of the nodes included."""
    for one in pages(region, "ec2", "describe_volumes", "Volumes"):
        if one["State"] in GONE:
            continue
        attached = [link["InstanceId"] for link in one.get("Attachments", [])]
        roots = [link["InstanceId"] for link in one.get("Attachments", []) if link.get("DeleteOnTermination")]
        yield made(
            Kind.VOLUME,
            region,
            one["VolumeId"],
            one,
            gib=one["Size"],
            type=one.get("VolumeType", "gp2"),
            iops=one.get("Iops"),
            throughput=one.get("Throughput"),
            state=one["State"],
            zone=one["AvailabilityZone"],
            instances=attached,
            root_of=roots[0] if roots else None,
        )


def snapshots(region: str) -> Iterator[Resource]:
    """Snapshots of this account."""
    for one in pages(region, "ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"]):
        yield made(
            Kind.SNAPSHOT,
            region,
            one["SnapshotId"],
            one,
            gib=one["VolumeSize"],
            volume=one.get("VolumeId"),
            started=one["StartTime"].isoformat(),
            state=one.get("State"),
            description=one.get("Description"),
        )


def interfaces(region: str) -> Iterator[Resource]:
    """Network interfaces."""
    for one in pages(region, "ec2", "describe_network_interfaces", "NetworkInterfaces"):
        found = {**one, "Tags": one.get("TagSet") or one.get("Tags")}
        attachment = one.get("Attachment") or {}
        yield made(
            Kind.INTERFACE,
            region,
            one["NetworkInterfaceId"],
            found,
            description=one.get("Description"),
            status=one.get("Status"),
            type=one.get("InterfaceType"),
            managed=bool(one.get("RequesterManaged")),
            vpc=one.get("VpcId"),
            subnet=one.get("SubnetId"),
            instance=attachment.get("InstanceId"),
            attachment=attachment.get("AttachmentId"),
            groups=[group["GroupId"] for group in one.get("Groups", [])],
        )


def addresses(region: str) -> Iterator[Resource]:
    """Elastic IP addresses."""
    for one in pages(region, "ec2", "describe_addresses", "Addresses"):
        yield made(
            Kind.ADDRESS,
            region,
            one.get("AllocationId") or one["PublicIp"],
            one,
            ip=one["PublicIp"],
            association=one.get("AssociationId"),
            holder=one.get("NetworkInterfaceId") or one.get("InstanceId"),
        )


def nat_gateways(region: str) -> Iterator[Resource]:
    """NAT gateways that are not gone."""
    for one in pages(region, "ec2", "describe_nat_gateways", "NatGateways"):
        if one["State"] in GONE:
            continue
        yield made(
            Kind.NAT,
            region,
            one["NatGatewayId"],
            one,
            state=one["State"],
            vpc=one.get("VpcId"),
            subnet=one.get("SubnetId"),
            interfaces=[
                link["NetworkInterfaceId"]
                for link in one.get("NatGatewayAddresses", [])
                if "NetworkInterfaceId" in link
            ],
        )


def vpcs(region: str) -> Iterator[Resource]:
    """VPCs, the default one included."""
    for one in pages(region, "ec2", "describe_vpcs", "Vpcs"):
        yield made(
            Kind.VPC,
            region,
            one["VpcId"],
            one,
            vpc=one["VpcId"],
            cidr=one.get("CidrBlock"),
            default=bool(one.get("IsDefault")),
        )


def subnets(region: str) -> Iterator[Resource]:
    """Subnets."""
    for one in pages(region, "ec2", "describe_subnets", "Subnets"):
        yield made(
            Kind.SUBNET,
            region,
            one["SubnetId"],
            one,
            vpc=one["VpcId"],
            zone=one["AvailabilityZone"],
            free=one.get("AvailableIpAddressCount"),
            cidr=one.get("CidrBlock"),
        )


def route_tables(region: str) -> Iterator[Resource]:
    """Route tables, without the main ones, which come and go with their VPC."""
    for one in pages(region, "ec2", "describe_route_tables", "RouteTables"):
        if not any(link.get("Main") for link in one.get("Associations", [])):
            yield made(Kind.ROUTE_TABLE, region, one["RouteTableId"], one, vpc=one.get("VpcId"))


def gateways(region: str) -> Iterator[Resource]:
    """Internet gateways."""
    for one in pages(region, "ec2", "describe_internet_gateways", "InternetGateways"):
        links = one.get("Attachments") or [{}]
        yield made(Kind.GATEWAY, region, one["InternetGatewayId"], one, vpc=links[0].get("VpcId"))


def security_groups(region: str) -> Iterator[Resource]:
    """Security groups, without the default ones, which come and go with their VPC."""
    for one in pages(region, "ec2", "describe_security_groups", "SecurityGroups"):
        if one["GroupName"] != "default":
            resource = made(
                Kind.SECURITY_GROUP, region, one["GroupId"], one, vpc=one.get("VpcId"), group=one["GroupName"]
            )
            yield resource.model_copy(update={"name": one["GroupName"]})


def endpoints(region: str) -> Iterator[Resource]:
    """VPC endpoints that are not gone."""
    for one in pages(region, "ec2", "describe_vpc_endpoints", "VpcEndpoints"):
        if str(one.get("State", "")).lower() in GONE:
            continue
        yield made(
            Kind.ENDPOINT,
            region,
            one["VpcEndpointId"],
            one,
            type=one.get("VpcEndpointType"),
            state=one.get("State"),
            vpc=one.get("VpcId"),
            service=one.get("ServiceName"),
            zones=len(one.get("SubnetIds") or []),
            interfaces=one.get("NetworkInterfaceIds") or [],
        )


def flow_logs(region: str) -> Iterator[Resource]:
    """Flow logs."""
    for one in pages(region, "ec2", "describe_flow_logs", "FlowLogs"):
        yield made(Kind.FLOW_LOG, region, one["FlowLogId"], one, resource=one.get("ResourceId"))


def launch_templates(region: str) -> Iterator[Resource]:
    """Launch templates."""
    for one in pages(region, "ec2", "describe_launch_templates", "LaunchTemplates"):
        resource = made(Kind.LAUNCH_TEMPLATE, region, one["LaunchTemplateId"], one)
        yield resource.model_copy(update={"name": one["LaunchTemplateName"]})


Lister = Callable[[str], Iterator[Resource]]
EC2: dict[str, Lister] = {
    "EC2 instances": instances,
    "EBS volumes": volumes,
    "EBS snapshots": snapshots,
    "network interfaces": interfaces,
    "elastic addresses": addresses,
    "NAT gateways": nat_gateways,
    "VPCs": vpcs,
    "subnets": subnets,
    "route tables": route_tables,
    "internet gateways": gateways,
    "security groups": security_groups,
    "VPC endpoints": endpoints,
    "flow logs": flow_logs,
    "launch templates": launch_templates,
}
