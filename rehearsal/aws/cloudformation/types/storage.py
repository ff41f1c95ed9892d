"""S3 buckets and their policies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.cloudformation.types.base import Context, Made, as_document, is_gone

_NO_BUCKET = ("NoSuchBucket", "404")
_UNSET = (
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchLifecycleConfiguration",
    "OwnershipControlsNotFoundError",
)


class Bucket:
    """``AWS::S3::Bucket``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The bucket, then its settings one call each; half a bucket is taken back."""
        name = str(properties.get("BucketName") or context.generated_name(63).lower())
        elsewhere = {"LocationConstraint": context.region} if context.region != "us-east-1" else None
        self._refuse_existing(context, name)
        context.call("s3", "CreateBucket", Bucket=name, CreateBucketConfiguration=elsewhere)
        try:
            self._configure(context, name, {}, properties)
        except Exception:
            context.call("s3", "DeleteBucket", Bucket=name)
            raise
        return self._made(context, name)

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Each setting that changed."""
        self._configure(context, physical_id, old, new)
        return self._made(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Refused while it holds objects or versions of them."""
        try:
            context.call("s3", "DeleteBucket", Bucket=physical_id)
        except ClientError as error:
            if not is_gone(error, _NO_BUCKET):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Versioning and public access as they are."""
        try:
            context.call("s3", "HeadBucket", Bucket=physical_id)
        except ClientError as error:
            if is_gone(error, _NO_BUCKET):
                return None
            raise
        versioning = context.call("s3", "GetBucketVersioning", Bucket=physical_id).get("Status", "Suspended")
        actual: dict[str, Any] = {"VersioningConfiguration": {"Status": versioning}}
        try:
            block = context.call("s3", "GetPublicAccessBlock", Bucket=physical_id)
            actual["PublicAccessBlockConfiguration"] = block["PublicAccessBlockConfiguration"]
        except ClientError as error:
            if not is_gone(error, _UNSET):
                raise
            actual["PublicAccessBlockConfiguration"] = {}
        return actual

    def _refuse_existing(self, context: Context, name: str) -> None:
        # S3 in us-east-1 lets an owner create a bucket again; CloudFormation does not.
        try:
            context.call("s3", "HeadBucket", Bucket=name)
        except ClientError as error:
            if is_gone(error, _NO_BUCKET):
                return
            raise
        raise ClientError(
            {"Error": {"Code": "BucketAlreadyOwnedByYou", "Message": f"{name} already exists"},
             "ResponseMetadata": {"HTTPStatusCode": 409}},
            "CreateBucket",
        )  # fmt: skip

    def _configure(self, context: Context, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        for member, (operation, build) in _SETTINGS.items():
            if member in new and new[member] != old.get(member):
                context.call("s3", operation, Bucket=name, **build(new[member]))
        if new.get("Tags") and new.get("Tags") != old.get("Tags"):
            tags = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in new["Tags"]]
            context.call("s3", "PutBucketTagging", Bucket=name, Tagging={"TagSet": tags})

    def _made(self, context: Context, name: str) -> Made:
        suffix = "amazonaws.com.cn" if context.partition == "aws-cn" else "amazonaws.com"
        return Made(
            name,
            {
                "Arn": f"arn:{context.partition}:s3:::{name}",
                "DomainName": f"{name}.s3.{suffix}",
                "RegionalDomainName": f"{name}.s3.{context.region}.{suffix}",
                "DualStackDomainName": f"{name}.s3.dualstack.{context.region}.{suffix}",
            },
        )


def _encryption(setting: Mapping[str, Any]) -> dict[str, Any]:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in setting["ServerSideEncryptionConfiguration"]
    ]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _lifecycle(setting: Mapping[str, Any]) -> dict[str, Any]:
    return {"LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in setting["Rules"]]}}


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    same = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
    built: dict[str, Any] = {name: rule[name] for name in same if name in rule}
    built["Filter"] = {"Prefix": rule.get("Prefix", "")}
    if "Id" in rule:
        built["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        built["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "Transitions" in rule:
        built["Transitions"] = [
            {"StorageClass": move["StorageClass"], "Days": move["TransitionInDays"]} for move in rule["Transitions"]
        ]
    return built


def _logging(setting: Mapping[str, Any]) -> dict[str, Any]:
    target = {"TargetBucket": setting["DestinationBucketName"], "TargetPrefix": setting.get("LogFilePrefix", "")}
    return {"BucketLoggingStatus": {"LoggingEnabled": target}}


_SETTINGS: dict[str, tuple[str, Any]] = {
    "BucketEncryption": ("PutBucketEncryption", _encryption),
    "VersioningConfiguration": ("PutBucketVersioning", lambda value: {"VersioningConfiguration": value}),
    "OwnershipControls": ("PutBucketOwnershipControls", lambda value: {"OwnershipControls": value}),
    "PublicAccessBlockConfiguration": (
        "PutPublicAccessBlock",
        lambda value: {"PublicAccessBlockConfiguration": value},
    ),
    "LoggingConfiguration": ("PutBucketLogging", _logging),
    "LifecycleConfiguration": ("PutBucketLifecycleConfiguration", _lifecycle),
}


class BucketPolicy:
    """``AWS::S3::BucketPolicy``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Put the policy."""
        document = as_document(properties["PolicyDocument"])
        context.call("s3", "PutBucketPolicy", Bucket=properties["Bucket"], Policy=document)
        return Made(properties["Bucket"])

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Put the policy."""
        return self.create(context, new)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Remove the policy."""
        try:
            context.call("s3", "DeleteBucketPolicy", Bucket=physical_id)
        except ClientError as error:
            if not is_gone(error, _NO_BUCKET):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The policy as it is."""
        try:
            policy = context.call("s3", "GetBucketPolicy", Bucket=physical_id)["Policy"]
        except ClientError as error:
            if is_gone(error, (*_NO_BUCKET, "NoSuchBucketPolicy")):
                return None
            raise
        return {"PolicyDocument": json.loads(policy)}
