"""EC2 types that carry rules or versions: security groups, launch templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.cloudformation.types.base import Context, Made, is_gone
from rehearsal.aws.cloudformation.types.ec2 import Ec2Resource

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
