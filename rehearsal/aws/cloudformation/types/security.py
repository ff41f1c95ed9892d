"""IAM roles, KMS keys and their aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from rehearsal.aws.cloudformation.types.base import Context, Made, as_document, is_gone, tag_changes

_NO_ROLE = ("NoSuchEntity",)
_ROLE_MEMBERS = ("Path", "Description", "MaxSessionDuration", "PermissionsBoundary")
_NO_KEY = ("NotFoundException",)


class Role:
    """``AWS::IAM::Role``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The role, then its policies; half a role is taken back."""
        name = str(properties.get("RoleName") or context.generated_name())
        context.call(
            "iam", "CreateRole",
            RoleName=name,
            AssumeRolePolicyDocument=as_document(properties["AssumeRolePolicyDocument"]),
            Tags=context.tags(properties) or None,
            **{name: properties.get(name) for name in _ROLE_MEMBERS},
        )  # fmt: skip
        try:
            self._set_policies(context, name, {}, properties)
        except Exception:
            self.delete(context, name, properties)
            raise
        return self._made(context, name)

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Everything but name and path."""
        trust = as_document(new["AssumeRolePolicyDocument"])
        context.call("iam", "UpdateAssumeRolePolicy", RoleName=physical_id, PolicyDocument=trust)
        context.call(
            "iam", "UpdateRole", RoleName=physical_id, Description=new.get("Description", ""),
            MaxSessionDuration=new.get("MaxSessionDuration", 3600),
        )  # fmt: skip
        boundary = new.get("PermissionsBoundary")
        if boundary:
            context.call("iam", "PutRolePermissionsBoundary", RoleName=physical_id, PermissionsBoundary=boundary)
        elif old.get("PermissionsBoundary"):
            context.call("iam", "DeleteRolePermissionsBoundary", RoleName=physical_id)
        changed, removed = tag_changes(old.get("Tags", []), new.get("Tags", []))
        if changed:
            context.call("iam", "TagRole", RoleName=physical_id, Tags=changed)
        if removed:
            context.call("iam", "UntagRole", RoleName=physical_id, TagKeys=removed)
        self._set_policies(context, physical_id, old, new)
        return self._made(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Refused while a policy that the stack did not attach is attached."""
        try:
            self._set_policies(context, physical_id, properties, {})
            context.call("iam", "DeleteRole", RoleName=physical_id)
        except ClientError as error:
            if not is_gone(error, _NO_ROLE):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Trust, policies and tags as they are."""
        try:
            role = context.call("iam", "GetRole", RoleName=physical_id)["Role"]
        except ClientError as error:
            if is_gone(error, _NO_ROLE):
                return None
            raise
        attached = context.call("iam", "ListAttachedRolePolicies", RoleName=physical_id)["AttachedPolicies"]
        names = context.call("iam", "ListRolePolicies", RoleName=physical_id)["PolicyNames"]
        inline = [context.call("iam", "GetRolePolicy", RoleName=physical_id, PolicyName=name) for name in sorted(names)]
        return {
            "AssumeRolePolicyDocument": _parsed(role["AssumeRolePolicyDocument"]),
            "ManagedPolicyArns": sorted(policy["PolicyArn"] for policy in attached),
            "Policies": [
                {"PolicyName": p["PolicyName"], "PolicyDocument": _parsed(p["PolicyDocument"])} for p in inline
            ],
            "Tags": role.get("Tags", []),
        }

    def _set_policies(self, context: Context, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        before, after = set(old.get("ManagedPolicyArns", [])), set(new.get("ManagedPolicyArns", []))
        for arn in sorted(after - before):
            context.call("iam", "AttachRolePolicy", RoleName=name, PolicyArn=arn)
        for arn in sorted(before - after):
            self._unless_gone(context, "DetachRolePolicy", RoleName=name, PolicyArn=arn)
        for policy in new.get("Policies", []):
            document = as_document(policy["PolicyDocument"])
            context.call(
                "iam", "PutRolePolicy", RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document
            )
        kept = {policy["PolicyName"] for policy in new.get("Policies", [])}
        for policy in old.get("Policies", []):
            if policy["PolicyName"] not in kept:
                self._unless_gone(context, "DeleteRolePolicy", RoleName=name, PolicyName=policy["PolicyName"])

    def _unless_gone(self, context: Context, operation: str, **params: Any) -> None:
        try:
            context.call("iam", operation, **params)
        except ClientError as error:
            if not is_gone(error, _NO_ROLE):
                raise

    def _made(self, context: Context, name: str) -> Made:
        role = context.call("iam", "GetRole", RoleName=name)["Role"]
        return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _parsed(document: Any) -> Any:
    return json.loads(unquote(document)) if isinstance(document, str) else document


class Key:
    """``AWS::KMS::Key``; deleting it schedules its deletion."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The key, then its rotation."""
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in context.tags(properties)]
        made = context.call(
            "kms", "CreateKey",
            Policy=as_document(properties["KeyPolicy"]) if "KeyPolicy" in properties else None,
            Tags=tags or None,
            **{key: properties.get(key) for key in ("Description", "KeyUsage", "KeySpec", "MultiRegion", "Origin")},
        )["KeyMetadata"]  # fmt: skip
        self._rotate(context, made["KeyId"], properties)
        return Made(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Policy, description, rotation and tags."""
        if "KeyPolicy" in new:
            policy = as_document(new["KeyPolicy"])
            context.call("kms", "PutKeyPolicy", KeyId=physical_id, PolicyName="default", Policy=policy)
        if new.get("Description") != old.get("Description"):
            context.call("kms", "UpdateKeyDescription", KeyId=physical_id, Description=new.get("Description", ""))
        self._rotate(context, physical_id, new)
        changed, removed = tag_changes(old.get("Tags", []), new.get("Tags", []))
        if changed:
            tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in changed]
            context.call("kms", "TagResource", KeyId=physical_id, Tags=tags)
        if removed:
            context.call("kms", "UntagResource", KeyId=physical_id, TagKeys=removed)
        arn = context.call("kms", "DescribeKey", KeyId=physical_id)["KeyMetadata"]["Arn"]
        return Made(physical_id, {"Arn": arn, "KeyId": physical_id})

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Schedule its deletion."""
        found = self._describe(context, physical_id)
        if found is not None and found["KeyState"] != "PendingDeletion":
            days = properties.get("PendingWindowInDays", 30)
            context.call("kms", "ScheduleKeyDeletion", KeyId=physical_id, PendingWindowInDays=days)

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """State, rotation and policy as they are."""
        found = self._describe(context, physical_id)
        if found is None or found["KeyState"] == "PendingDeletion":
            return None
        policy = context.call("kms", "GetKeyPolicy", KeyId=physical_id, PolicyName="default")["Policy"]
        rotation = context.call("kms", "GetKeyRotationStatus", KeyId=physical_id)["KeyRotationEnabled"]
        return {"Enabled": found["Enabled"], "EnableKeyRotation": rotation, "KeyPolicy": json.loads(policy)}

    def _describe(self, context: Context, physical_id: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = context.call("kms", "DescribeKey", KeyId=physical_id)["KeyMetadata"]
        except ClientError as error:
            if is_gone(error, _NO_KEY):
                return None
            raise
        return found

    def _rotate(self, context: Context, key: str, properties: Mapping[str, Any]) -> None:
        wanted = str(properties.get("EnableKeyRotation", "false")).lower() == "true"
        context.call("kms", "EnableKeyRotation" if wanted else "DisableKeyRotation", KeyId=key)


class Alias:
    """``AWS::KMS::Alias``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Name a key."""
        context.call("kms", "CreateAlias", AliasName=properties["AliasName"], TargetKeyId=properties["TargetKeyId"])
        return Made(properties["AliasName"])

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Name another key."""
        context.call("kms", "UpdateAlias", AliasName=physical_id, TargetKeyId=new["TargetKeyId"])
        return Made(physical_id)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Free the name."""
        try:
            context.call("kms", "DeleteAlias", AliasName=physical_id)
        except ClientError as error:
            if not is_gone(error, _NO_KEY):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The key it names."""
        for alias in context.call("kms", "ListAliases")["Aliases"]:
            if alias["AliasName"] == physical_id:
                return {"TargetKeyId": alias.get("TargetKeyId")}
        return None
