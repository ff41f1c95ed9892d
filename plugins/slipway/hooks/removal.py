"""Deletes single resources that nothing else deletes: what controllers and services left behind.

Each call deletes one resource of one kind. Gone already is as good as deleted; still in use says so and is tried
again in the next round, when what uses it may be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from slipway.hooks.aws import client, code_of, message_of
from slipway.model.resource import Kind, Resource

_GONE = ("NotFound", "NoSuch", "DoesNotExist", "ResourceNotFound")
_IN_USE = (
    "DependencyViolation",
    "InUse",
    "DeleteConflict",
    "OperationNotPermitted",
    "IncorrectState",
    "InvalidParameterValue",
    "CannotDelete",
    "BucketNotEmpty",
    "ScalingActivityInProgress",
    "InvalidRequestException",
    "InvalidNetworkInterface.InUse",
)
KEY_WAITING_DAYS = 7
SECRET_WAITING_DAYS = 7


class Removal(StrEnum):
    """What became of one attempt."""

    DONE = "done"
    IN_USE = "in use"


class RemovalHook:
    """Deletions in one region."""

    def __init__(self, region: str) -> None:
        self.region = region

    def remove(self, one: Resource) -> tuple[Removal, str]:
        """Delete a resource.

        :returns: what became of it, and AWS's reason when it is still in use.
        :raises LookupError: nothing here deletes this kind.
        """
        try:
            action = _ACTIONS[Kind(one.kind)]
        except (KeyError, ValueError):
            raise LookupError(f"nothing deletes {one.kind} by itself") from None
        try:
            action(self, one)
        except ClientError as error:
            code = code_of(error)
            if any(part in code for part in _GONE):
                return Removal.DONE, ""
            if any(part in code for part in _IN_USE):
                return Removal.IN_USE, f"{code}: {message_of(error)}"
            raise
        return Removal.DONE, ""

    def _api(self, service: str) -> Any:
        return client(service, self.region)

    def _interface(self, one: Resource) -> None:
        ec2 = self._api("ec2")
        attachment = one.text("attachment")
        if attachment and one.text("status") == "in-use":
            ec2.detach_network_interface(AttachmentId=attachment, Force=True)
        ec2.delete_network_interface(NetworkInterfaceId=one.id)

    def _security_group(self, one: Resource) -> None:
        """Empty the group first: two groups that name each other would keep each other for ever."""
        ec2 = self._api("ec2")
        found = ec2.describe_security_groups(GroupIds=[one.id])["SecurityGroups"][0]
        inbound, outbound = found.get("IpPermissions", []), found.get("IpPermissionsEgress", [])
        if inbound:
            ec2.revoke_security_group_ingress(GroupId=one.id, IpPermissions=inbound)
        if outbound:
            ec2.revoke_security_group_egress(GroupId=one.id, IpPermissions=outbound)
        for user in ec2.describe_security_groups(Filters=[{"Name": "ip-permission.group-id", "Values": [one.id]}])[
            "SecurityGroups"
        ]:
            naming = [
                {**rule, "UserIdGroupPairs": pairs, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
                for rule in user.get("IpPermissions", [])
                if (pairs := [pair for pair in rule.get("UserIdGroupPairs", []) if pair.get("GroupId") == one.id])
            ]
            if naming:
                ec2.revoke_security_group_ingress(GroupId=user["GroupId"], IpPermissions=naming)
        ec2.delete_security_group(GroupId=one.id)

    def _instance_profile(self, one: Resource) -> None:
        iam = self._api("iam")
        for role in iam.get_instance_profile(InstanceProfileName=one.id)["InstanceProfile"].get("Roles", []):
            iam.remove_role_from_instance_profile(InstanceProfileName=one.id, RoleName=role["RoleName"])
        iam.delete_instance_profile(InstanceProfileName=one.id)

    def _role(self, one: Resource) -> None:
        iam = self._api("iam")
        for policy in iam.list_attached_role_policies(RoleName=one.id)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=one.id, PolicyArn=policy["PolicyArn"])
        for name in iam.list_role_policies(RoleName=one.id)["PolicyNames"]:
            iam.delete_role_policy(RoleName=one.id, PolicyName=name)
        iam.delete_role(RoleName=one.id)

    def _bucket(self, one: Resource) -> None:
        """Empty a bucket, old versions included, and delete it."""
        s3 = self._api("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=one.id):
            doomed = [
                {"Key": item["Key"], "VersionId": item["VersionId"]}
                for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ]
            if doomed:
                s3.delete_objects(Bucket=one.id, Delete={"Objects": doomed, "Quiet": True})
        s3.delete_bucket(Bucket=one.id)

    def _rule(self, one: Resource) -> None:
        events = self._api("events")
        targets = [target["Id"] for target in events.list_targets_by_rule(Rule=one.id)["Targets"]]
        if targets:
            events.remove_targets(Rule=one.id, Ids=targets)
        events.delete_rule(Name=one.id)

    def _gateway(self, one: Resource) -> None:
        ec2 = self._api("ec2")
        if one.vpc:
            ec2.detach_internet_gateway(InternetGatewayId=one.id, VpcId=one.vpc)
        ec2.delete_internet_gateway(InternetGatewayId=one.id)

    def _route_table(self, one: Resource) -> None:
        ec2 = self._api("ec2")
        for table in ec2.describe_route_tables(RouteTableIds=[one.id])["RouteTables"]:
            for link in table.get("Associations", []):
                if not link.get("Main"):
                    ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
        ec2.delete_route_table(RouteTableId=one.id)

    def _budget(self, one: Resource) -> None:
        account = self._api("sts").get_caller_identity()["Account"]
        self._api("budgets").delete_budget(AccountId=account, BudgetName=one.id)


def _call(service: str, operation: str, parameter: str, *, many: bool = False, **more: Any) -> Callable[..., None]:
    """A deletion that is one call with one identifier."""

    def act(hook: RemovalHook, one: Resource) -> None:
        getattr(client(service, hook.region), operation)(**{parameter: [one.id] if many else one.id}, **more)

    return act


# In the order in which things must go: what holds others before what is held.
_ACTIONS: dict[Kind, Callable[[RemovalHook, Resource], None]] = {
    Kind.BALANCER: _call("elbv2", "delete_load_balancer", "LoadBalancerArn"),
    Kind.CLASSIC_BALANCER: _call("elb", "delete_load_balancer", "LoadBalancerName"),
    Kind.TARGET_GROUP: _call("elbv2", "delete_target_group", "TargetGroupArn"),
    Kind.SCALING_GROUP: _call("autoscaling", "delete_auto_scaling_group", "AutoScalingGroupName", ForceDelete=True),
    Kind.INSTANCE: _call("ec2", "terminate_instances", "InstanceIds", many=True),
    Kind.LAUNCH_TEMPLATE: _call("ec2", "delete_launch_template", "LaunchTemplateId"),
    Kind.VOLUME: _call("ec2", "delete_volume", "VolumeId"),
    Kind.SNAPSHOT: _call("ec2", "delete_snapshot", "SnapshotId"),
    Kind.NAT: _call("ec2", "delete_nat_gateway", "NatGatewayId"),
    Kind.ENDPOINT: _call("ec2", "delete_vpc_endpoints", "VpcEndpointIds", many=True),
    Kind.FLOW_LOG: _call("ec2", "delete_flow_logs", "FlowLogIds", many=True),
    Kind.INTERFACE: RemovalHook._interface,
    Kind.ADDRESS: _call("ec2", "release_address", "AllocationId"),
    Kind.SECURITY_GROUP: RemovalHook._security_group,
    Kind.ROUTE_TABLE: RemovalHook._route_table,
    Kind.SUBNET: _call("ec2", "delete_subnet", "SubnetId"),
    Kind.GATEWAY: RemovalHook._gateway,
    Kind.VPC: _call("ec2", "delete_vpc", "VpcId"),
    Kind.ALARM: _call("cloudwatch", "delete_alarms", "AlarmNames", many=True),
    Kind.RULE: RemovalHook._rule,
    Kind.TRAIL: _call("cloudtrail", "delete_trail", "Name"),
    Kind.INSTANCE_PROFILE: RemovalHook._instance_profile,
    Kind.OIDC_PROVIDER: _call("iam", "delete_open_id_connect_provider", "OpenIDConnectProviderArn"),
    Kind.ROLE: RemovalHook._role,
    Kind.BUDGET: RemovalHook._budget,
    Kind.SECRET: _call("secretsmanager", "delete_secret", "SecretId", RecoveryWindowInDays=SECRET_WAITING_DAYS),
    Kind.BUCKET: RemovalHook._bucket,
    Kind.ALIAS: _call("kms", "delete_alias", "AliasName"),
    Kind.KEY: _call("kms", "schedule_key_deletion", "KeyId", PendingWindowInDays=KEY_WAITING_DAYS),
    Kind.LOG_GROUP: _call("logs", "delete_log_group", "logGroupName"),
}
REMOVABLE: tuple[Kind, ...] = tuple(_ACTIONS)
