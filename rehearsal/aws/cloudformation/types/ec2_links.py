"""EC2 types that join others: attachments, routes, associations, endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.cloudformation.types.base import Context, Made, as_document, is_gone
from rehearsal.aws.cloudformation.types.ec2 import Ec2Resource

_ROUTE_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "VpcEndpointId",
)


class GatewayAttachment:
    """``AWS::EC2::VPCGatewayAttachment``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Attach."""
        gateway, vpc = properties["InternetGatewayId"], properties["VpcId"]
        context.call("ec2", "AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        return Made(f"IGW|{vpc}", {"AttachmentType": "IGW"})

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Attach another gateway instead."""
        self.delete(context, physical_id, old)
        return self.create(context, new)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Detach."""
        gateway, vpc = properties["InternetGatewayId"], properties["VpcId"]
        try:
            context.call("ec2", "DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
        except ClientError as error:
            if not is_gone(
                error, ("Gateway.NotAttached", "InvalidInternetGatewayID.NotFound", "InvalidVpcID.NotFound")
            ):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Whether it is attached."""
        filters = [{"Name": "attachment.vpc-id", "Values": [properties["VpcId"]]}]
        found = context.call("ec2", "DescribeInternetGateways", Filters=filters)["InternetGateways"]
        return {"InternetGatewayId": found[0]["InternetGatewayId"]} if found else None


class Route:
    """``AWS::EC2::Route``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Add the route."""
        context.call("ec2", "CreateRoute", **properties)
        destination = _destination(properties)
        return Made(f"{properties['RouteTableId']}|{destination}", {"CidrBlock": destination})

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Point it at another target."""
        context.call("ec2", "ReplaceRoute", **new)
        return Made(physical_id, {"CidrBlock": _destination(new)})

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Remove the route."""
        table, destination = properties["RouteTableId"], _destination(properties)
        try:
            context.call("ec2", "DeleteRoute", RouteTableId=table, DestinationCidrBlock=destination)
        except ClientError as error:
            if not is_gone(error, ("InvalidRoute.NotFound", "InvalidRouteTableID.NotFound")):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The target it has now."""
        tables = _existing(context, "DescribeRouteTables", "RouteTables", RouteTableIds=[properties["RouteTableId"]])
        for route in tables[0]["Routes"] if tables else []:
            if route.get("DestinationCidrBlock") == _destination(properties):
                return {name: route[name] for name in _ROUTE_TARGETS if name in route}
        return None


def _destination(properties: Mapping[str, Any]) -> str:
    return str(properties.get("DestinationCidrBlock") or properties.get("DestinationIpv6CidrBlock"))


def _existing(context: Context, operation: str, plural: str, **params: Any) -> list[dict[str, Any]]:
    try:
        return list(context.call("ec2", operation, **params)[plural])
    except ClientError as error:
        if error.response["Error"]["Code"].endswith("NotFound"):
            return []
        raise


class RouteTableAssociation:
    """``AWS::EC2::SubnetRouteTableAssociation``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Associate."""
        made = context.call("ec2", "AssociateRouteTable", **properties)
        return Made(made["AssociationId"], {"Id": made["AssociationId"]})

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Nothing of it can be changed in place."""
        return Made(physical_id, {"Id": physical_id})

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Disassociate."""
        try:
            context.call("ec2", "DisassociateRouteTable", AssociationId=physical_id)
        except ClientError as error:
            if not is_gone(error, ("InvalidAssociationID.NotFound",)):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The route table that the subnet has."""
        tables = _existing(context, "DescribeRouteTables", "RouteTables", RouteTableIds=[properties["RouteTableId"]])
        held = {association.get("SubnetId") for table in tables for association in table["Associations"]}
        return {"RouteTableId": properties["RouteTableId"]} if properties["SubnetId"] in held else None


class VpcEndpoint(Ec2Resource):
    """``AWS::EC2::VPCEndpoint``."""

    key, plural, id_member, id_list = "VpcEndpoint", "VpcEndpoints", "VpcEndpointId", "VpcEndpointIds"
    create_operation, describe_operation = "CreateVpcEndpoint", "DescribeVpcEndpoints"
    tag_type, gone = "vpc-endpoint", ("InvalidVpcEndpointId.NotFound",)
    create_only = (
        "VpcEndpointType", "VpcId", "ServiceName", "RouteTableIds", "SubnetIds", "SecurityGroupIds",
        "PrivateDnsEnabled",
    )  # fmt: skip

    def configure(self, context: Context, api_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Route tables, subnets, groups and policy of an existing endpoint."""
        params: dict[str, Any] = {}
        if new.get("PolicyDocument") != old.get("PolicyDocument") and "PolicyDocument" in new:
            params["PolicyDocument"] = as_document(new["PolicyDocument"])
        for name in ("RouteTableId", "SubnetId", "SecurityGroupId") if old else ():
            before, after = set(old.get(f"{name}s", [])), set(new.get(f"{name}s", []))
            params |= {f"Add{name}s": sorted(after - before) or None, f"Remove{name}s": sorted(before - after) or None}
        if any(value is not None for value in params.values()):
            context.call("ec2", "ModifyVpcEndpoint", VpcEndpointId=api_id, **params)

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Id, interfaces and names."""
        found = self.describe(context, api_id) or {}
        names = [f"{entry.get('HostedZoneId', '')}:{entry['DnsName']}" for entry in found.get("DnsEntries", [])]
        return {"Id": api_id, "NetworkInterfaceIds": found.get("NetworkInterfaceIds", []), "DnsEntries": names}

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Delete it and its interfaces, which moto would leave in the subnets."""
        found = self.describe(context, physical_id)
        if found is None:
            return
        context.call("ec2", "DeleteVpcEndpoints", VpcEndpointIds=[physical_id])
        for interface in found.get("NetworkInterfaceIds", []):
            if _existing(context, "DescribeNetworkInterfaces", "NetworkInterfaces", NetworkInterfaceIds=[interface]):
                context.call("ec2", "DeleteNetworkInterface", NetworkInterfaceId=interface)

    def describe(self, context: Context, api_id: str) -> dict[str, Any] | None:
        """Not one that is deleted."""
        found = super().describe(context, api_id)
        return None if found is None or found["State"].lower() in ("deleted", "deleting") else found

    def actual(self, context: Context, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where it is reached from."""
        return {"RouteTableIds": found.get("RouteTableIds", []), "SubnetIds": found.get("SubnetIds", [])}
