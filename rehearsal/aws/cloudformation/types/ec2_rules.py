"""EC2 types that carry rules or versions: security groups, network ACLs, launch templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.cloudformation.types.base import Context, Made, is_gone
from rehearsal.aws.cloudformation.types.ec2 import Ec2Resource, refuse_if_in_use

_SIDES = (("SecurityGroupIngress", "Ingress"), ("SecurityGroupEgress", "Egress"))
_NO_TEMPLATE = ("InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException")
_ALL_TRAFFIC = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}


class SecurityGroup(Ec2Resource):
    """``AWS::EC2::SecurityGroup``; Ref returns the group's id."""

    plural, id_member, id_list = "SecurityGroups", "GroupId", "GroupIds"
    create_operation, describe_operation = "CreateSecurityGroup", "DescribeSecurityGroups"
    delete_operation, tag_type, gone = "DeleteSecurityGroup", "security-group", ("InvalidGroup.NotFound",)
    template_to_api = {"GroupDescription": "Description"}
    create_only = ("GroupDescription", "GroupName", "VpcId")

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """A group without a name gets one from its stack."""
        named = {"GroupName": context.generated_name(255), **properties}
        return super().create(context, named)

    def created_id(self, answer: Mapping[str, Any]) -> Any:
        """The group."""
        return answer["GroupId"]

    def configure(self, context: Context, api_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Revoke rules that went, authorise rules that came."""
        for member, side in _SIDES:
            before, after = list(old.get(member, [])), list(new.get(member, []))
            if side == "Egress" and not old and after:
                before = [_ALL_TRAFFIC]  # what EC2 gives a new group
            gone = [_permission(rule) for rule in before if rule not in after]
            come = [_permission(rule) for rule in after if rule not in before]
            if gone:
                context.call("ec2", f"RevokeSecurityGroup{side}", GroupId=api_id, IpPermissions=gone)
            if come:
                context.call("ec2", f"AuthorizeSecurityGroup{side}", GroupId=api_id, IpPermissions=come)

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Its id, twice, as the schema has it."""
        return {"GroupId": api_id, "Id": api_id}

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Refused while a network interface uses it."""
        refuse_if_in_use(context, "security group", "group-id", physical_id)
        super().delete(context, physical_id, properties)

    def actual(self, context: Context, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its rules, written as a template writes them."""
        return {
            "SecurityGroupIngress": _rules(found["IpPermissions"]),
            "SecurityGroupEgress": _rules(found["IpPermissionsEgress"]),
        }


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    permission = {name: rule[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in rule}
    note = {"Description": rule["Description"]} if "Description" in rule else {}
    if "CidrIp" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"], **note}]
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group, **note}]
    return permission


def _rules(permissions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**{name: p[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in p}, **ip_range}
        for p in permissions
        for ip_range in p.get("IpRanges", [])
    ]


class NetworkAcl(Ec2Resource):
    """``AWS::EC2::NetworkAcl``."""

    key, plural, id_member, id_list = "NetworkAcl", "NetworkAcls", "NetworkAclId", "NetworkAclIds"
    create_operation, describe_operation, delete_operation = "CreateNetworkAcl", "DescribeNetworkAcls", "DeleteNetworkAcl"
    tag_type, gone, create_only = "network-acl", ("InvalidNetworkAclID.NotFound", "InvalidRouteTableID.NotFound"), ("VpcId",)

    def attributes(self, context: Context, api_id: str) -> dict[str, Any]:
        """Its id."""
        return {"Id": api_id}


class NetworkAclEntry:
    """``AWS::EC2::NetworkAclEntry``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Add the rule."""
        context.call("ec2", "CreateNetworkAclEntry", **{"Egress": False, **properties})
        return self._made(properties)

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Replace the rule."""
        context.call("ec2", "ReplaceNetworkAclEntry", **{"Egress": False, **new})
        return self._made(new)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Remove the rule."""
        key = {name: properties.get(name, False) for name in ("NetworkAclId", "RuleNumber", "Egress")}
        try:
            context.call("ec2", "DeleteNetworkAclEntry", **key)
        except ClientError as error:
            if not is_gone(error, ("InvalidNetworkAclEntry.NotFound", "InvalidNetworkAclID.NotFound")):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The rule as it is."""
        try:
            acls = context.call("ec2", "DescribeNetworkAcls", NetworkAclIds=[properties["NetworkAclId"]])["NetworkAcls"]
        except ClientError as error:
            if is_gone(error, NetworkAcl.gone):
                return None
            raise
        wanted = (str(properties["RuleNumber"]), str(properties.get("Egress", False)).lower())
        for entry in acls[0]["Entries"] if acls else []:
            if (str(entry["RuleNumber"]), str(entry["Egress"]).lower()) == wanted:
                return {name: entry.get(name) for name in ("CidrBlock", "RuleAction", "Protocol") if name in properties}
        return None

    def _made(self, properties: Mapping[str, Any]) -> Made:
        name = f"{properties['NetworkAclId']}|{properties['RuleNumber']}|{properties.get('Egress', False)}"
        return Made(name, {"Id": name})


class NetworkAclAssociation:
    """``AWS::EC2::SubnetNetworkAclAssociation``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Take the subnet from the ACL it has to this one."""
        return self._associate(context, properties["SubnetId"], properties["NetworkAclId"])

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Nothing of it can be changed in place."""
        return Made(physical_id, {"AssociationId": physical_id})

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Give the subnet back to the VPC's default ACL."""
        current = self._current(context, properties["SubnetId"])
        if current is None or current["NetworkAclId"] != properties["NetworkAclId"]:
            return
        filters = [{"Name": "vpc-id", "Values": [self._vpc(context, properties["SubnetId"])]}]
        acls = context.call("ec2", "DescribeNetworkAcls", Filters=filters)["NetworkAcls"]
        self._associate(context, properties["SubnetId"], next(a["NetworkAclId"] for a in acls if a["IsDefault"]))

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The ACL that the subnet has."""
        current = self._current(context, properties["SubnetId"])
        return None if current is None else {"NetworkAclId": current["NetworkAclId"]}

    def _current(self, context: Context, subnet: str) -> dict[str, Any] | None:
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        acls = context.call("ec2", "DescribeNetworkAcls", Filters=filters)["NetworkAcls"]
        held = [a for acl in acls for a in acl["Associations"] if a["SubnetId"] == subnet]
        return held[0] if held else None

    def _vpc(self, context: Context, subnet: str) -> str:
        return str(context.call("ec2", "DescribeSubnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"])

    def _associate(self, context: Context, subnet: str, acl: str) -> Made:
        current = self._current(context, subnet)
        association = None if current is None else current["NetworkAclAssociationId"]
        made = context.call("ec2", "ReplaceNetworkAclAssociation", AssociationId=association, NetworkAclId=acl)
        return Made(made["NewAssociationId"], {"AssociationId": made["NewAssociationId"]})


class LaunchTemplate:
    """``AWS::EC2::LaunchTemplate``; a change makes a new version."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The template and its version 1."""
        named = {"LaunchTemplateName": context.generated_name(128), **properties}
        made = context.call("ec2", "CreateLaunchTemplate", **named)
        return self._made(context, made["LaunchTemplate"]["LaunchTemplateId"])

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """A further version; tags of the template itself cannot change without its replacement."""
        params = {name: new[name] for name in ("LaunchTemplateData", "VersionDescription") if name in new}
        if any(old.get(name) != value for name, value in params.items()):
            context.call("ec2", "CreateLaunchTemplateVersion", LaunchTemplateId=physical_id, **params)
        return self._made(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """With all its versions."""
        try:
            context.call("ec2", "DeleteLaunchTemplate", LaunchTemplateId=physical_id)
        except ClientError as error:
            if not is_gone(error, _NO_TEMPLATE):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Whether it is there."""
        return {} if self._describe(context, physical_id) else None

    def _made(self, context: Context, physical_id: str) -> Made:
        found = self._describe(context, physical_id)[0]
        numbers = {name: str(found[name]) for name in ("DefaultVersionNumber", "LatestVersionNumber")}
        return Made(physical_id, {"LaunchTemplateId": physical_id, **numbers})

    def _describe(self, context: Context, physical_id: str) -> list[dict[str, Any]]:
        try:
            found = context.call("ec2", "DescribeLaunchTemplates", LaunchTemplateIds=[physical_id])["LaunchTemplates"]
        except ClientError as error:
            if is_gone(error, _NO_TEMPLATE):
                return []
            raise
        # moto returns every template when it does not know one of the ids.
        return [template for template in found if template["LaunchTemplateId"] == physical_id]
