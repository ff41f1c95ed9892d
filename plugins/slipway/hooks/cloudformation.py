"""CloudFormation stacks and change sets."""

from __future__ import annotations

from typing import Any

import yaml
from botocore.exceptions import ClientError

from slipway.hooks.aws import client, code_of, message_of, pairs_of, tags_of
from slipway.model.platform import Platform, Stack
from slipway.model.stack import ChangeSet, LiveStack, WantedStack, from_response

# Roles carry names, so that key policies and people can refer to them.
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
# Another run, or an earlier try, got there first: look again.
OVERTAKEN = frozenset({"AlreadyExistsException", "InvalidChangeSetStatus", "ChangeSetNotFound", "OperationInProgress"})


def is_absent(error: ClientError) -> bool:
    """Whether CloudFormation says that the stack or change set does not exist; it has no code of its own for stacks."""
    code = code_of(error)
    return code == "ChangeSetNotFound" or (code == "ValidationError" and "does not exist" in message_of(error))


def is_overtaken(error: ClientError) -> bool:
    """Whether the request came too late because the stack or change set is in another state by now."""
    return code_of(error) in OVERTAKEN or (
        code_of(error) == "ValidationError" and "_IN_PROGRESS state" in message_of(error)
    )


class CloudFormationHook:
    """Stacks of one region."""

    def __init__(self, region: str) -> None:
        self.client: Any = client("cloudformation", region)

    def find(self, name: str) -> LiveStack | None:
        """Describe a stack with its template; ``None`` when it does not exist."""
        described = self._describe(name)
        if described is None:
            return None
        under_review = described["StackStatus"] == "REVIEW_IN_PROGRESS"
        return LiveStack(
            name=name,
            status=described["StackStatus"],
            reason=described.get("StackStatusReason", ""),
            template="" if under_review else self._template(name),
            parameters={
                entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in described.get("Parameters", [])
            },
            tags=tags_of(described.get("Tags", [])),
            outputs=_outputs(described),
            change_sets=tuple(self._change_sets(name)) if under_review else (),
        )

    def outputs(self, platform: Platform, stack: Stack) -> dict[str, str] | None:
        """Outputs of one of the platform's stacks; ``None`` when it does not exist."""
        described = self._describe(platform.stack_name(stack))
        return None if described is None else _outputs(described)

    def names(self, prefix: str) -> list[str]:
        """Names of stacks that begin with a prefix, deleted ones left out."""
        pages = self.client.get_paginator("list_stacks").paginate()
        found = {
            str(stack["StackName"])
            for page in pages
            for stack in page["StackSummaries"]
            if stack["StackStatus"] != "DELETE_COMPLETE" and stack["StackName"].startswith(prefix)
        }
        return sorted(found)

    def change_set(self, stack: str, name: str) -> ChangeSet | None:
        """Describe a change set with all of its changes; ``None`` when it does not exist."""
        try:
            pages = list(self.client.get_paginator("describe_change_set").paginate(StackName=stack, ChangeSetName=name))
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        first = pages[0]
        return ChangeSet(
            name=name,
            status=first["Status"],
            execution_status=first.get("ExecutionStatus", "UNAVAILABLE"),
            reason=first.get("StatusReason", ""),
            changes=tuple(change for page in pages for change in from_response(page)),
        )

    def create_change_set(self, wanted: WantedStack, kind: str) -> None:
        """Ask for a change set; one with this request's name that is already there is as good.

        :param kind: ``CREATE`` or ``UPDATE``.
        """
        self._unless_overtaken(
            self.client.create_change_set,
            StackName=wanted.name,
            ChangeSetName=wanted.change_set,
            ChangeSetType=kind,
            TemplateBody=wanted.template,
            Parameters=[{"ParameterKey": key, "ParameterValue": val} for key, val in sorted(wanted.parameters.items())],
            Tags=pairs_of(dict(wanted.tags)),
            Capabilities=CAPABILITIES,
            Description="Made by Slipway",
        )

    def execute_change_set(self, wanted: WantedStack) -> None:
        """Start the change set, unless it was started meanwhile."""
        self._unless_overtaken(
            self.client.execute_change_set,
            StackName=wanted.name,
            ChangeSetName=wanted.change_set,
            ClientRequestToken=wanted.change_set,
        )

    def delete_change_set(self, stack: str, name: str) -> None:
        """Delete a change set nobody needs."""
        self._unless_overtaken(self.client.delete_change_set, StackName=stack, ChangeSetName=name)

    def delete(self, name: str) -> None:
        """Start deleting a stack."""
        self.client.delete_stack(StackName=name)

    def unprotect(self, name: str) -> None:
        """Switch a stack's termination protection off."""
        self.client.update_termination_protection(StackName=name, EnableTerminationProtection=False)

    def resources(self, name: str) -> list[dict[str, str]]:
        """Resources that a stack holds: ``LogicalResourceId``, ``PhysicalResourceId``, type and status.

        None for a stack that does not exist.
        """
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=name)
        try:
            found = [entry for page in pages for entry in page["StackResourceSummaries"]]
        except ClientError as error:
            if is_absent(error):
                return []
            raise
        return [entry for entry in found if entry.get("ResourceStatus") != "DELETE_COMPLETE"]

    def failures(self, name: str) -> list[str]:
        """Reasons of the stack's last operation, the first cause first."""
        reasons: list[str] = []
        for page in self.client.get_paginator("describe_stack_events").paginate(StackName=name):
            for event in page["StackEvents"]:
                status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
                if event["LogicalResourceId"] == name and reason == "User Initiated" and "DELETE" not in status:
                    return reasons[::-1]
                # Cancelled resources only echo the first failure.
                if status.endswith("_FAILED") and reason and "cancelled" not in reason:
                    reasons.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
        return reasons[::-1]

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            found: list[dict[str, Any]] = self.client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        return found[0] if found else None

    def _template(self, name: str) -> str:
        body = self.client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        # boto3 parses templates that were submitted as JSON.
        return body if isinstance(body, str) else yaml.safe_dump(_plain(body))

    def _change_sets(self, name: str) -> list[str]:
        pages = self.client.get_paginator("list_change_sets").paginate(StackName=name)
        return [entry["ChangeSetName"] for page in pages for entry in page.get("Summaries", [])]

    @staticmethod
    def _unless_overtaken(call: Any, **arguments: Any) -> None:
        try:
            call(**arguments)
        except ClientError as error:
            if not (is_overtaken(error) or is_absent(error)):
                raise


def _outputs(described: dict[str, Any]) -> dict[str, str]:
    return {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", [])}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
