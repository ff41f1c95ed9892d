"""EC2 types that are one call to make, one to delete and tags in between.

What is in use is refused by EC2 itself (:mod:`rehearsal.aws.moto_fixes.dependencies`), not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.cloudformation.errors import ResourceFailed
from rehearsal.aws.cloudformation.types.base import Context, Made, is_gone, tag_changes


class Ec2Resource:
    """A resource that EC2 makes by ``create``, lists by ``describe`` and deletes by ``delete``.

    :param key: the member under which EC2 describes one, e.g. ``Vpc``; the plural of it lists them.
    :param gone: error codes that mean that it does not exist.
    """

    key = ""
    plural = ""
    id_member = ""
    id_list = ""
    create_operation = ""
    describe_operation = ""
    delete_operation = ""
    tag_type = ""
    gone: tuple[str, ...] = ()
    template_to_api: Mapping[str, str] = {}
    create_only: tuple[str, ...] = ()

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Make it with its tags, then set what takes a further call."""
        params = {self.template_to_api.get(name, name): properties.get(name) for name in self.create_only}
        answer = context.call(
            "ec2", self.create_operation, **params, TagSpecifications=self.tag_specification(context, properties)
        )
        physical_id = str(self.created_id(answer))
        try:
            self.configure(context, physical_id, {}, properties)
        except Exception:
            self.delete(context, physical_id, properties)
            raise
        return Made(self.reference(context, physical_id), self.attributes(context, physical_id))

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Change tags and what takes a further call."""
        api_id = self.api_id(context, physical_id)
        changed, removed = tag_changes(old.get("Tags", []), new.get("Tags", []))
        if changed:
            context.call("ec2", "CreateTags", Resources=[api_id], Tags=changed)
        if removed:
            context.call("ec2", "DeleteTags", Resources=[api_id], Tags=[{"Key": key} for key in removed])
        self.configure(context, api_id, old, new)
        return Made(physical_id, self.attributes(context, api_id))

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Delete it."""
        try:
            context.call("ec2", self.delete_operation, **{self.id_member: self.api_id(context, physical_id)})
        except ClientError as error:
            if not is_gone(error, self.gone):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Tags as they are."""
        found = self.describe(context, self.api_id(context, physical_id))
        if found is None:
            return None
        actual = dict(self.actual(context, found))
        if "Tags" in properties:
            actual["Tags"] = [tag for tag in found.get("Tags", []) if not tag["Key"].startswith("aws:")]
        return actual

    def describe(self, context: Context, api_id: str) -> dict[str, Any] | None:
        """EC2's description, ``None`` when there is none."""
        try:
            found = context.call("ec2", self.describe_operation, **{self.id_list: [api_id]})[self.plural]
        except ClientError as error:
            if is_gone(error, self.gone):
                return None
            raise
        return found[0] if found else None

    def tag_specification(self, context: Context, properties: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """Tags as a create call takes them."""
        tags = context.tags(properties)
        return [{"ResourceType": self.tag_type, "Tags": tags}] if tags and self.tag_type else None

    def created_id(self, answer: Mapping[str, Any]) -> Any:
        """The id in the create call's answer."""
        return answer[self.key][self.id_member]

    def reference(self, context: Context, api_id: str) -> str:
        """What Ref returns."""
        return api_id

    def api_id(self, context: Context, physical_id: str) -> str:
        """The id that the API takes."""
        return physical_id

    def configure(self, context: Context, api_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Set what the create call does not take."""

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """What Fn::GetAtt returns."""
        return {self.id_member: api_id}

    def actual(self, context: Context, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Template properties that can be told from EC2's description."""
        return {}


class Vpc(Ec2Resource):
    """``AWS::EC2::VPC``."""

    key, plural, id_member, id_list = "Vpc", "Vpcs", "VpcId", "VpcIds"
    create_operation, describe_operation, delete_operation = "CreateVpc", "DescribeVpcs", "DeleteVpc"
    tag_type, gone = "vpc", ("InvalidVpcID.NotFound",)
    create_only = ("CidrBlock", "InstanceTenancy", "Ipv4IpamPoolId", "Ipv4NetmaskLength")

    def configure(self, context: Context, api_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """DNS support and host names."""
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            if name in new and new[name] != old.get(name):
                context.call("ec2", "ModifyVpcAttribute", VpcId=api_id, **{name: {"Value": new[name]}})

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Ids of what comes with a VPC."""
        own = [{"Name": "vpc-id", "Values": [api_id]}]
        groups = context.call("ec2", "DescribeSecurityGroups", Filters=own)["SecurityGroups"]
        acls = context.call("ec2", "DescribeNetworkAcls", Filters=own)["NetworkAcls"]
        found = self.describe(context, api_id) or {}
        return {
            "VpcId": api_id,
            "CidrBlock": found.get("CidrBlock"),
            "DefaultSecurityGroup": next((g["GroupId"] for g in groups if g["GroupName"] == "default"), None),
            "DefaultNetworkAcl": next((acl["NetworkAclId"] for acl in acls if acl["IsDefault"]), None),
        }

    def actual(self, context: Context, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its range."""
        return {"CidrBlock": found["CidrBlock"]}


class Subnet(Ec2Resource):
    """``AWS::EC2::Subnet``."""

    key, plural, id_member, id_list = "Subnet", "Subnets", "SubnetId", "SubnetIds"
    create_operation, describe_operation, delete_operation = "CreateSubnet", "DescribeSubnets", "DeleteSubnet"
    tag_type, gone = "subnet", ("InvalidSubnetID.NotFound",)
    create_only = ("VpcId", "AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "Ipv6CidrBlock")

    def configure(self, context: Context, api_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Public addresses at launch."""
        name = "MapPublicIpOnLaunch"
        if name in new and new[name] != old.get(name):
            context.call("ec2", "ModifySubnetAttribute", SubnetId=api_id, **{name: {"Value": new[name]}})

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Its id and place."""
        found = self.describe(context, api_id) or {}
        return {"SubnetId": api_id, "AvailabilityZone": found.get("AvailabilityZone"), "VpcId": found.get("VpcId")}

    def actual(self, context: Context, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Range, zone and public addresses."""
        return {name: found[name] for name in ("AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch")}


class InternetGateway(Ec2Resource):
    """``AWS::EC2::InternetGateway``."""

    key, plural, id_member, id_list = "InternetGateway", "InternetGateways", "InternetGatewayId", "InternetGatewayIds"
    create_operation, describe_operation = "CreateInternetGateway", "DescribeInternetGateways"
    delete_operation, tag_type = "DeleteInternetGateway", "internet-gateway"
    gone = ("InvalidInternetGatewayID.NotFound",)


class RouteTable(Ec2Resource):
    """``AWS::EC2::RouteTable``."""

    key, plural, id_member, id_list = "RouteTable", "RouteTables", "RouteTableId", "RouteTableIds"
    create_operation, describe_operation, delete_operation = (
        "CreateRouteTable",
        "DescribeRouteTables",
        "DeleteRouteTable",
    )
    tag_type, gone, create_only = "route-table", ("InvalidRouteTableID.NotFound",), ("VpcId",)


class Address(Ec2Resource):
    """``AWS::EC2::EIP``; Ref returns the address."""

    plural, id_member, id_list = "Addresses", "AllocationId", "AllocationIds"
    create_operation, describe_operation, delete_operation = "AllocateAddress", "DescribeAddresses", "ReleaseAddress"
    tag_type, gone = "elastic-ip", ("InvalidAllocationID.NotFound", "InvalidAddress.NotFound")
    create_only = ("Domain",)

    def created_id(self, answer: Mapping[str, Any]) -> Any:
        """The allocation."""
        return answer["AllocationId"]

    def reference(self, context: Context, api_id: str) -> str:
        """The address."""
        return str((self.describe(context, api_id) or {})["PublicIp"])

    def api_id(self, context: Context, physical_id: str) -> str:
        """The allocation of an address; the address itself once it is released."""
        if physical_id.startswith("eipalloc-"):
            return physical_id
        try:
            found = context.call("ec2", "DescribeAddresses", PublicIps=[physical_id])["Addresses"]
        except ClientError as error:
            if is_gone(error, self.gone):
                return physical_id
            raise
        return str(found[0]["AllocationId"])

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Address and allocation."""
        return {"AllocationId": api_id, "PublicIp": self.reference(context, api_id)}


class NatGateway(Ec2Resource):
    """``AWS::EC2::NatGateway``."""

    key, plural, id_member, id_list = "NatGateway", "NatGateways", "NatGatewayId", "NatGatewayIds"
    create_operation, describe_operation, delete_operation = (
        "CreateNatGateway",
        "DescribeNatGateways",
        "DeleteNatGateway",
    )
    tag_type, gone = "natgateway", ("NatGatewayNotFound", "InvalidNatGatewayID.NotFound")
    create_only = ("SubnetId", "AllocationId", "ConnectivityType")

    def describe(self, context: Context, api_id: str) -> dict[str, Any] | None:
        """Not one that is deleted, which EC2 shows for another hour."""
        found = super().describe(context, api_id)
        return None if found is None or found["State"] == "deleted" else found


class FlowLog(Ec2Resource):
    """``AWS::EC2::FlowLog``."""

    plural, id_member, id_list = "FlowLogs", "FlowLogIds", "FlowLogIds"
    create_operation, describe_operation, delete_operation = "CreateFlowLogs", "DescribeFlowLogs", "DeleteFlowLogs"
    tag_type, gone = "vpc-flow-log", ("InvalidFlowLogId.NotFound",)
    template_to_api = {"ResourceId": "ResourceIds"}
    create_only = (
        "ResourceType", "ResourceId", "TrafficType", "LogDestinationType", "LogDestination", "LogGroupName",
        "DeliverLogsPermissionArn", "MaxAggregationInterval", "LogFormat",
    )  # fmt: skip

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The API takes a list of resources."""
        return super().create(context, {**properties, "ResourceId": [properties["ResourceId"]]})

    def created_id(self, answer: Mapping[str, Any]) -> Any:
        """The first, or why there is none."""
        if answer.get("Unsuccessful"):
            raise ResourceFailed(answer["Unsuccessful"][0]["Error"]["Message"])
        return answer["FlowLogIds"][0]

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """The API takes a list of flow logs."""
        try:
            context.call("ec2", "DeleteFlowLogs", FlowLogIds=[physical_id])
        except ClientError as error:
            if not is_gone(error, self.gone):
                raise

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Its id."""
        return {"Id": api_id}
