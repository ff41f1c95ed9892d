"""What CloudFormation's API does with stacks and change sets, over plain data."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.utilities.utils import get_partition

from rehearsal.aws import local
from rehearsal.aws.cloudformation import changes, engine
from rehearsal.aws.cloudformation.errors import (
    AlreadyExists,
    ChangeSetNotFound,
    InsufficientCapabilities,
    InvalidChangeSetStatus,
    ValidationError,
)
from rehearsal.aws.cloudformation.model import ChangeSet, Stack
from rehearsal.aws.cloudformation.scope import template_of
from rehearsal.aws.cloudformation.template import Template

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
LOCK = threading.RLock()
_UPDATABLE = {
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE",
}  # fmt: skip
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_NAMED_IAM = {"RoleName", "PolicyName", "ManagedPolicyName", "GroupName", "UserName", "InstanceProfileName"}


class Stacks:
    """The stacks of one account and region.

    :param speed: how many times faster than AWS work proceeds.
    :param now: tells the Unix time in seconds.
    """

    def __init__(self, account: str, region: str, speed: float, now: Callable[[], float] = time.time) -> None:
        self.account = account
        self.region = region
        self._speed = speed
        self._now = now
        backend = cloudformation_backends[account][region]
        # moto's own dicts, so that its reset, its tagging API and a saved state include our stacks.
        self._live: dict[str, Stack] = backend.stacks
        self._deleted: dict[str, Stack] = backend.deleted_stacks

    def advance(self) -> None:
        """Work off what is due in every stack."""
        now = self._now()
        for stack in list(self._live.values()):
            engine.advance(stack, now)
            if not stack.exists:
                self._deleted[stack.id] = self._live.pop(stack.id)

    def all(self, with_deleted: bool = False) -> list[Stack]:
        """Every stack, newest first."""
        found = [*self._live.values(), *(self._deleted.values() if with_deleted else ())]
        return sorted(found, key=lambda stack: stack.created, reverse=True)

    def find(self, name_or_id: str) -> Stack | None:
        """A stack by name, or a stack (deleted ones too) by id."""
        for stack in self._live.values():
            if name_or_id in (stack.name, stack.id):
                return stack
        return self._deleted.get(name_or_id)

    def get(self, name_or_id: str) -> Stack:
        """A stack that must exist.

        :raises ValidationError: with the words that callers match on.
        """
        stack = self.find(name_or_id)
        if stack is None:
            raise ValidationError(f"Stack with id {name_or_id} does not exist")
        return stack

    def create(self, request: Mapping[str, Any], body: str) -> Stack:
        """Begin to create a stack."""
        name = request["StackName"]
        token = request.get("ClientRequestToken")
        existing = self.find(name)
        if existing is not None:
            if token is not None and token == existing.token:
                return existing
            raise AlreadyExists(f"Stack [{name}] already exists")
        stack = self._new(request, "CREATE_IN_PROGRESS")
        stack.token = token
        stack.on_failure = _on_failure(request)
        stack.protected = bool(request.get("EnableTerminationProtection", False))
        self._accept(stack, request, body)
        self._live[stack.id] = stack
        engine.start_create(stack, self._now(), self._speed)
        return stack

    def update(self, request: Mapping[str, Any], body: str | None) -> Stack:
        """Begin to update a stack.

        :raises ValidationError: ``No updates are to be performed.`` when nothing would change.
        """
        stack = self.get(request["StackName"])
        self._check_updatable(stack)
        proposed = self._proposed(stack, request, body)
        if not self._changes(stack, proposed) and not self._outputs_change(stack, proposed):
            raise ValidationError("No updates are to be performed.")
        self._start_update(stack, proposed)
        return stack

    def delete(self, name_or_id: str, retain: set[str]) -> None:
        """Begin to delete a stack; nothing happens when there is none."""
        stack = self.find(name_or_id)
        if stack is None or not stack.exists or stack.status == "DELETE_IN_PROGRESS":
            return
        if stack.protected:
            raise ValidationError(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if stack.operation is not None and stack.operation.kind not in ("CREATE", "ROLLBACK"):
            raise ValidationError(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
        if retain and stack.status != "DELETE_FAILED":
            raise ValidationError(
                f"Invalid operation on stack [{stack.id}]. Specify which resources to retain only when the stack is "
                "in the DELETE_FAILED state."
            )
        engine.start_delete(stack, self._now(), self._speed, retain)

    def continue_rollback(self, name_or_id: str, skip: set[str]) -> None:
        """Try a failed rollback again, without the resources in ``skip``."""
        stack = self.get(name_or_id)
        if stack.status != "UPDATE_ROLLBACK_FAILED" or stack.before is None:
            raise ValidationError(
                f"Stack:{stack.id} is in {stack.status} state and can not continue a rollback; that takes "
                "UPDATE_ROLLBACK_FAILED"
            )
        engine.start_rollback(stack, stack.before, self._now(), self._speed, "User Initiated", skip)

    def create_change_set(self, request: Mapping[str, Any], body: str | None) -> tuple[ChangeSet, Stack]:
        """Propose to create or update a stack."""
        stack = self._stack_for(request)
        name, kind = request["ChangeSetName"], request.get("ChangeSetType", "UPDATE")
        if name in stack.change_sets:
            raise AlreadyExists(f"ChangeSet {name} cannot be created due to a mismatch with existing attribute Name")
        if kind == "CREATE":
            template = self._read(stack, body or "", _given(request, {}))
            self._check_capabilities(template, request.get("Capabilities", []))
            proposed = self._change_set(stack, request, body or "", dict(template.given))
            proposed.changes = changes.additions(template)
        else:
            self._check_updatable(stack)
            proposed = self._proposed(stack, request, body)
            proposed.changes = self._changes(stack, proposed)
            if not proposed.changes and not self._outputs_change(stack, proposed):
                proposed.status, proposed.execution_status, proposed.reason = "FAILED", "UNAVAILABLE", NO_CHANGES
        if stack.id not in self._live:
            self._live[stack.id] = stack
            stack.record(self._now(), "REVIEW_IN_PROGRESS", "User Initiated")
        stack.change_sets[name] = proposed
        return proposed, stack

    def change_set(self, name_or_id: str, stack_name: str | None) -> tuple[ChangeSet, Stack]:
        """One change set.

        :raises ChangeSetNotFound: when there is none.
        """
        stacks = [self.get(stack_name)] if stack_name else self.all()
        for stack in stacks:
            for proposed in stack.change_sets.values():
                if proposed.id == name_or_id or (stack_name and proposed.name == name_or_id):
                    return proposed, stack
        raise ChangeSetNotFound(f"ChangeSet [{name_or_id}] does not exist")

    def execute_change_set(self, name_or_id: str, stack_name: str | None) -> None:
        """Carry a change set out."""
        proposed, stack = self.change_set(name_or_id, stack_name)
        if proposed.execution_status != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{proposed.id}] cannot be executed in its current execution status of "
                f"[{proposed.execution_status}]"
            )
        proposed.execution_status = "EXECUTE_COMPLETE"
        # The others were computed against a stack that is about to change.
        stack.change_sets = {proposed.name: proposed}
        if proposed.type == "CREATE":
            self._adopt(stack, proposed)
            stack.on_failure = proposed.on_failure
            engine.start_create(stack, self._now(), self._speed)
        else:
            self._check_updatable(stack)
            self._start_update(stack, proposed)

    def delete_change_set(self, name_or_id: str, stack_name: str | None) -> None:
        """Forget a change set; nothing happens when there is none."""
        try:
            proposed, stack = self.change_set(name_or_id, stack_name)
        except ChangeSetNotFound:
            return
        del stack.change_sets[proposed.name]

    def _new(self, request: Mapping[str, Any], status: str) -> Stack:
        name, partition = request["StackName"], get_partition(self.region)
        if not _STACK_NAME.fullmatch(name):
            raise ValidationError(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must "
                "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*, and have at most 128 characters"
            )
        stack_id = f"arn:{partition}:cloudformation:{self.region}:{self.account}:stack/{name}/{uuid.uuid4()}"
        return Stack(stack_id, name, self.region, self.account, self._now(), status, role_arn=request.get("RoleARN"))

    def _stack_for(self, request: Mapping[str, Any]) -> Stack:
        name, kind = request["StackName"], request.get("ChangeSetType", "UPDATE")
        stack = self.find(name)
        if kind == "UPDATE":
            if stack is None or stack.status == "REVIEW_IN_PROGRESS":
                raise ValidationError(f"Stack [{name}] does not exist")
            return stack
        if kind != "CREATE":
            raise ValidationError(f"ChangeSetType is {kind!r}; the rehearsal has CREATE and UPDATE")
        if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise ValidationError(
                f"Stack [{name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        return stack or self._new(request, "REVIEW_IN_PROGRESS")

    def _accept(self, stack: Stack, request: Mapping[str, Any], body: str) -> None:
        stack.notification_arns = list(request.get("NotificationARNs", []))
        template = self._read(stack, body, _given(request, {}))
        self._check_capabilities(template, request.get("Capabilities", []))
        changes.order(template)
        stack.body, stack.parameters, stack.tags = body, dict(template.given), _tags(request)
        stack.capabilities = list(request.get("Capabilities", []))
        stack.description = template.document.get("Description")

    def _proposed(self, stack: Stack, request: Mapping[str, Any], body: str | None) -> ChangeSet:
        text = stack.body if request.get("UsePreviousTemplate") else body
        if not text:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        template = self._read(stack, text, _given(request, stack.parameters))
        self._check_capabilities(template, request.get("Capabilities", []))
        proposed = self._change_set(stack, request, text, dict(template.given))
        if "Tags" not in request:
            proposed.tags = dict(stack.tags)
        return proposed

    def _change_set(self, stack: Stack, request: Mapping[str, Any], body: str, parameters: dict[str, str]) -> ChangeSet:
        name = request.get("ChangeSetName", "direct-update")
        partition = get_partition(self.region)
        arn = f"arn:{partition}:cloudformation:{self.region}:{self.account}:changeSet/{name}/{uuid.uuid4()}"
        return ChangeSet(
            arn, name, request.get("ChangeSetType", "UPDATE"), self._now(), body, parameters, _tags(request),
            list(request.get("Capabilities", [])), request.get("Description"), on_failure=_on_failure(request),
            notification_arns=list(request.get("NotificationARNs", [])),
        )  # fmt: skip

    def _read(self, stack: Stack, body: str, given: Mapping[str, str]) -> Template:
        template = template_of(stack, body, given)
        self._check_zones(template)
        return template

    def _check_zones(self, template: Template) -> None:
        for name, spec in template.document.get("Parameters", {}).items():
            if "AWS::EC2::AvailabilityZone::Name" not in spec["Type"]:
                continue
            value = template.parameters[name]
            given = set(value if isinstance(value, list) else [value])
            zones = local.client("ec2", self.region).describe_availability_zones()["AvailabilityZones"]
            known = {zone["ZoneName"] for zone in zones}
            if given - known:
                raise ValidationError(
                    f"Parameter validation failed: parameter value {', '.join(sorted(given - known))} for parameter "
                    f"name {name} does not exist. The region has {', '.join(sorted(known))}"
                )

    def _check_capabilities(self, template: Template, acknowledged: list[str]) -> None:
        iam = [r for r in template.resources.values() if r["Type"].startswith("AWS::IAM::")]
        named = any(_NAMED_IAM & set(resource.get("Properties", {})) for resource in iam)
        needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
        if iam and not {needed, "CAPABILITY_NAMED_IAM"} & set(acknowledged):
            raise InsufficientCapabilities(f"Requires capabilities : [{needed}]")

    def _check_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ValidationError(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def _changes(self, stack: Stack, proposed: ChangeSet) -> list[dict[str, Any]]:
        return changes.changes(stack, template_of(stack, proposed.body, proposed.parameters), proposed.tags)

    def _outputs_change(self, stack: Stack, proposed: ChangeSet) -> bool:
        return changes.has_output_changes(stack, template_of(stack, proposed.body, proposed.parameters))

    def _start_update(self, stack: Stack, proposed: ChangeSet) -> None:
        before = engine.snapshot(stack)
        self._adopt(stack, proposed)
        engine.start_update(stack, before, self._now(), self._speed)

    def _adopt(self, stack: Stack, proposed: ChangeSet) -> None:
        stack.body, stack.parameters, stack.tags = proposed.body, proposed.parameters, proposed.tags
        stack.capabilities, stack.notification_arns = proposed.capabilities, proposed.notification_arns
        stack.description = template_of(stack, stack.body, stack.parameters).document.get("Description")


def _given(request: Mapping[str, Any], previous: Mapping[str, str]) -> dict[str, str]:
    given = {}
    for parameter in request.get("Parameters", []):
        name = parameter["ParameterKey"]
        if parameter.get("UsePreviousValue"):
            if name in previous:
                given[name] = previous[name]
        else:
            given[name] = parameter.get("ParameterValue", "")
    return given


def _tags(request: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}


def _on_failure(request: Mapping[str, Any]) -> str:
    if request.get("DisableRollback"):
        return "DO_NOTHING"
    chosen = request.get("OnFailure") or request.get("OnStackFailure")
    return str(chosen or "ROLLBACK")
