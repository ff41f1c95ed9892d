"""Waits for stacks and change sets."""

from __future__ import annotations

from typing import Any

from slipway.hooks.cloudformation import is_absent
from slipway.triggers.polling import PollTrigger

ABSENT = "NONEXISTENT"


class StackTrigger(PollTrigger):
    """Waits until no operation runs on a stack."""

    service = "cloudformation"

    def __init__(self, region: str, stack: str, until: float = 0.0, memory: dict[str, Any] | None = None) -> None:
        super().__init__(region, until, memory)
        self.stack = stack

    def subject(self) -> dict[str, Any]:
        """Which stack."""
        return {"stack": self.stack}

    async def look(self, client: Any) -> str | None:
        """Status of the stack unless it is in progress."""
        try:
            status = str((await client.describe_stacks(StackName=self.stack))["Stacks"][0]["StackStatus"])
        except client.exceptions.ClientError as error:
            if is_absent(error):
                return ABSENT
            raise
        # Under review means that nothing runs: the next move is ours.
        return status if status == "REVIEW_IN_PROGRESS" or not status.endswith("_IN_PROGRESS") else None


class ChangeSetTrigger(PollTrigger):
    """Waits until CloudFormation has worked out a change set."""

    service = "cloudformation"

    def __init__(
        self, region: str, stack: str, change_set: str, until: float = 0.0, memory: dict[str, Any] | None = None
    ) -> None:
        super().__init__(region, until, memory)
        self.stack = stack
        self.change_set = change_set

    def subject(self) -> dict[str, Any]:
        """Which change set."""
        return {"stack": self.stack, "change_set": self.change_set}

    async def look(self, client: Any) -> str | None:
        """Status of the change set unless it is pending."""
        try:
            found = await client.describe_change_set(StackName=self.stack, ChangeSetName=self.change_set)
        except client.exceptions.ClientError as error:
            if is_absent(error):
                return ABSENT
            raise
        return None if found["Status"] in {"CREATE_PENDING", "CREATE_IN_PROGRESS"} else str(found["Status"])
