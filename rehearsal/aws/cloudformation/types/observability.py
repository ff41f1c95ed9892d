"""Log groups, trails and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.logs.models import logs_backends

from rehearsal.aws.cloudformation.types.base import Context, Made, is_gone, tag_changes


class LogGroup:
    """``AWS::Logs::LogGroup``."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The group, then its retention."""
        name = str(properties.get("LogGroupName") or context.generated_name(512))
        tags = {tag["Key"]: tag["Value"] for tag in context.tags(properties)}
        key = properties.get("KmsKeyId")
        context.call("logs", "CreateLogGroup", logGroupName=name, kmsKeyId=key, tags=tags or None)
        self._retain(context, name, {}, properties)
        return self._made(context, name)

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Retention, key and tags."""
        self._retain(context, physical_id, old, new)
        if new.get("KmsKeyId") != old.get("KmsKeyId"):
            # moto has no AssociateKmsKey.
            logs_backends[context.account][context.region].groups[physical_id].kms_key_id = new.get("KmsKeyId")
        changed, removed = tag_changes(old.get("Tags", []), new.get("Tags", []))
        arn = self._arn(context, physical_id)
        if changed:
            tags = {tag["Key"]: tag["Value"] for tag in changed}
            context.call("logs", "TagResource", resourceArn=arn, tags=tags)
        if removed:
            context.call("logs", "UntagResource", resourceArn=arn, tagKeys=removed)
        return self._made(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """The group with its streams."""
        try:
            context.call("logs", "DeleteLogGroup", logGroupName=physical_id)
        except ClientError as error:
            if not is_gone(error, ("ResourceNotFoundException",)):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Retention and key as they are."""
        found = context.call("logs", "DescribeLogGroups", logGroupNamePrefix=physical_id)["logGroups"]
        for group in found:
            if group["logGroupName"] == physical_id:
                return {"RetentionInDays": group.get("retentionInDays"), "KmsKeyId": group.get("kmsKeyId")}
        return None

    def _retain(self, context: Context, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        days = new.get("RetentionInDays")
        if days is not None and days != old.get("RetentionInDays"):
            context.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=days)
        elif days is None and "RetentionInDays" in old:
            context.call("logs", "DeleteRetentionPolicy", logGroupName=name)

    def _arn(self, context: Context, name: str) -> str:
        return f"arn:{context.partition}:logs:{context.region}:{context.account}:log-group:{name}"

    def _made(self, context: Context, name: str) -> Made:
        return Made(name, {"Arn": f"{self._arn(context, name)}:*"})


class Trail:
    """``AWS::CloudTrail::Trail``."""

    _renamed = {"KMSKeyId": "KmsKeyId"}
    _members = (
        "S3BucketName", "S3KeyPrefix", "SnsTopicName", "IncludeGlobalServiceEvents", "IsMultiRegionTrail",
        "EnableLogFileValidation", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KMSKeyId",
        "IsOrganizationTrail",
    )  # fmt: skip

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The trail, what it selects, and its start."""
        name = str(properties.get("TrailName") or context.generated_name(128))
        context.call(
            "cloudtrail", "CreateTrail", Name=name, **self._params(properties), TagsList=context.tags(properties)
        )
        return self._configured(context, name, properties)

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """All settings at once, then tags."""
        context.call("cloudtrail", "UpdateTrail", Name=physical_id, **self._params(new))
        made = self._configured(context, physical_id, new)
        changed, removed = tag_changes(old.get("Tags", []), new.get("Tags", []))
        if changed:
            context.call("cloudtrail", "AddTags", ResourceId=made.attributes["Arn"], TagsList=changed)
        if removed:
            gone = [{"Key": key} for key in removed]
            context.call("cloudtrail", "RemoveTags", ResourceId=made.attributes["Arn"], TagsList=gone)
        return made

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Stop and delete it; its files stay in their bucket."""
        if self._describe(context, physical_id) is not None:
            context.call("cloudtrail", "DeleteTrail", Name=physical_id)

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Whether it logs, where and how."""
        found = self._describe(context, physical_id)
        if found is None:
            return None
        logging = context.call("cloudtrail", "GetTrailStatus", Name=physical_id)["IsLogging"]
        return {
            "IsLogging": logging,
            "S3BucketName": found["S3BucketName"],
            "IsMultiRegionTrail": found["IsMultiRegionTrail"],
            "EnableLogFileValidation": found["LogFileValidationEnabled"],
        }

    def _describe(self, context: Context, name: str) -> dict[str, Any] | None:
        found = context.call("cloudtrail", "DescribeTrails", trailNameList=[name])["trailList"]
        return next((trail for trail in found if trail["Name"] == name), None)

    def _params(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        return {self._renamed.get(name, name): properties[name] for name in self._members if name in properties}

    def _configured(self, context: Context, name: str, properties: Mapping[str, Any]) -> Made:
        if "EventSelectors" in properties:
            selectors = properties["EventSelectors"]
            context.call("cloudtrail", "PutEventSelectors", TrailName=name, EventSelectors=selectors)
        wanted = str(properties["IsLogging"]).lower() == "true"
        context.call("cloudtrail", "StartLogging" if wanted else "StopLogging", Name=name)
        arn = f"arn:{context.partition}:cloudtrail:{context.region}:{context.account}:trail/{name}"
        return Made(name, {"Arn": arn})


class Budget:
    """``AWS::Budgets::Budget``; moto cannot change one in place, so a change makes it anew under its name."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """The budget with its notifications."""
        name = str(properties["Budget"].get("BudgetName") or context.generated_name(100))
        context.call(
            "budgets", "CreateBudget",
            AccountId=context.account,
            Budget={**properties["Budget"], "BudgetName": name},
            NotificationsWithSubscribers=properties.get("NotificationsWithSubscribers"),
            ResourceTags=context.tags(properties) or None,
        )  # fmt: skip
        return Made(name, {"Id": name})

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Amounts, filters and period."""
        self.delete(context, physical_id, old)
        return self.create(context, {**new, "Budget": {**new["Budget"], "BudgetName": physical_id}})

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Delete it."""
        try:
            context.call("budgets", "DeleteBudget", AccountId=context.account, BudgetName=physical_id)
        except ClientError as error:
            if not is_gone(error, ("NotFoundException",)):
                raise

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Whether it is there."""
        try:
            context.call("budgets", "DescribeBudget", AccountId=context.account, BudgetName=physical_id)
        except ClientError as error:
            if is_gone(error, ("NotFoundException",)):
                return None
            raise
        return {}
