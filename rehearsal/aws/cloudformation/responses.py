"""CloudFormation's API on top of :mod:`service`: requests in, botocore-shaped responses out.

It takes moto's place behind the same URL; operations that are not here (stack sets, exports) stay moto's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from rehearsal.aws.cloudformation import drift, service, shapes
from rehearsal.aws.cloudformation.errors import ValidationError
from rehearsal.aws.cloudformation.settings import SETTINGS
from rehearsal.aws.cloudformation.template import parse

_Method = Callable[["Response"], ActionResult]


def _operation(method: _Method) -> _Method:
    """One call at a time, after what is due was worked off."""

    @functools.wraps(method)
    def answer(self: Response) -> ActionResult:
        with service.LOCK:
            self.stacks.advance()
            return method(self)

    return answer


class Response(CloudFormationResponse):  # type: ignore[misc]  # moto ships no types
    """The operations that the rehearsal answers itself."""

    # moto's transformers expect moto's own stacks.
    RESPONSE_KEY_PATH_TO_TRANSFORMER: dict[str, Any] = {}

    @property
    def stacks(self) -> service.Stacks:
        """The caller's stacks."""
        return service.Stacks(self.current_account, self.region, SETTINGS.speed)

    @property
    def asked(self) -> dict[str, Any]:
        """The call's parameters."""
        return {name: value for name, value in self.params.items() if value is not None}

    def _body(self) -> str | None:
        request = self.asked
        if "TemplateURL" in request:
            return str(self._get_stack_from_s3_url(request["TemplateURL"]))
        return request.get("TemplateBody")

    def _required_body(self) -> str:
        body = self._body()
        if not body:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        return body

    @_operation
    def create_stack(self) -> ActionResult:
        """CreateStack."""
        return ActionResult({"StackId": self.stacks.create(self.asked, self._required_body()).id})

    @_operation
    def update_stack(self) -> ActionResult:
        """UpdateStack."""
        return ActionResult({"StackId": self.stacks.update(self.asked, self._body()).id})

    @_operation
    def delete_stack(self) -> ActionResult:
        """DeleteStack."""
        self.stacks.delete(self.asked["StackName"], set(self.asked.get("RetainResources", [])))
        return EmptyResult()

    @_operation
    def continue_update_rollback(self) -> ActionResult:
        """ContinueUpdateRollback."""
        self.stacks.continue_rollback(self.asked["StackName"], set(self.asked.get("ResourcesToSkip", [])))
        return EmptyResult()

    @_operation
    def describe_stacks(self) -> ActionResult:
        """DescribeStacks."""
        name = self.asked.get("StackName")
        found = [self.stacks.get(name)] if name else self.stacks.all()
        return ActionResult({"Stacks": [shapes.stack(stack) for stack in found]})

    @_operation
    def list_stacks(self) -> ActionResult:
        """ListStacks."""
        wanted = set(self.asked.get("StackStatusFilter", []))
        found = [s for s in self.stacks.all(with_deleted=True) if not wanted or s.status in wanted]
        return ActionResult({"StackSummaries": [shapes.stack_summary(stack) for stack in found]})

    @_operation
    def describe_stack_events(self) -> ActionResult:
        """DescribeStackEvents, newest first."""
        found = self.stacks.get(self.asked["StackName"])
        return ActionResult({"StackEvents": [shapes.event(found, event) for event in reversed(found.events)]})

    @_operation
    def describe_stack_resource(self) -> ActionResult:
        """DescribeStackResource."""
        found, name = self.stacks.get(self.asked["StackName"]), self.asked["LogicalResourceId"]
        if name not in found.resources:
            raise ValidationError(f"Resource {name} does not exist for stack {found.name}")
        return ActionResult({"StackResourceDetail": shapes.resource_detail(found, found.resources[name])})

    @_operation
    def describe_stack_resources(self) -> ActionResult:
        """DescribeStackResources, of a stack or of the stack that made ``PhysicalResourceId``."""
        request = self.asked
        if "StackName" in request:
            found = self.stacks.get(request["StackName"])
        else:
            found = self._owner(request.get("PhysicalResourceId", ""))
        wanted = request.get("LogicalResourceId")
        listed = [r for name, r in found.resources.items() if wanted in (None, name)]
        return ActionResult({"StackResources": [shapes.resource(found, item) for item in listed]})

    def _owner(self, physical_id: str) -> Any:
        for stack in self.stacks.all():
            if any(resource.physical_id == physical_id for resource in stack.resources.values()):
                return stack
        raise ValidationError(f"Stack for {physical_id} does not exist")

    @_operation
    def list_stack_resources(self) -> ActionResult:
        """ListStackResources."""
        found = self.stacks.get(self.asked["StackName"])
        return ActionResult({"StackResourceSummaries": [shapes.resource_summary(r) for r in found.resources.values()]})

    @_operation
    def create_change_set(self) -> ActionResult:
        """CreateChangeSet."""
        proposed, stack = self.stacks.create_change_set(self.asked, self._body())
        return ActionResult({"Id": proposed.id, "StackId": stack.id})

    @_operation
    def describe_change_set(self) -> ActionResult:
        """DescribeChangeSet."""
        proposed, stack = self.stacks.change_set(self.asked["ChangeSetName"], self.asked.get("StackName"))
        return ActionResult(shapes.change_set(stack, proposed))

    @_operation
    def list_change_sets(self) -> ActionResult:
        """ListChangeSets."""
        found = self.stacks.get(self.asked["StackName"])
        return ActionResult({"Summaries": [shapes.change_set_summary(found, c) for c in found.change_sets.values()]})

    @_operation
    def execute_change_set(self) -> ActionResult:
        """ExecuteChangeSet."""
        self.stacks.execute_change_set(self.asked["ChangeSetName"], self.asked.get("StackName"))
        return EmptyResult()

    @_operation
    def delete_change_set(self) -> ActionResult:
        """DeleteChangeSet."""
        self.stacks.delete_change_set(self.asked["ChangeSetName"], self.asked.get("StackName"))
        return EmptyResult()

    @_operation
    def update_termination_protection(self) -> ActionResult:
        """UpdateTerminationProtection."""
        found = self.stacks.get(self.asked["StackName"])
        found.protected = bool(self.asked["EnableTerminationProtection"])
        return ActionResult({"StackId": found.id})

    @_operation
    def get_template(self) -> ActionResult:
        """GetTemplate, as it was submitted; of a stack or of a change set."""
        request = self.asked
        if "ChangeSetName" in request:
            proposed, _ = self.stacks.change_set(request["ChangeSetName"], request.get("StackName"))
            body = proposed.body
        else:
            body = self.stacks.get(request["StackName"]).body
        return ActionResult({"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]})

    @_operation
    def get_template_summary(self) -> ActionResult:
        """GetTemplateSummary."""
        body = self._body() or self.stacks.get(self.asked.get("StackName", "")).body
        return ActionResult(shapes.template_summary(parse(body)))

    @_operation
    def validate_template(self) -> ActionResult:
        """ValidateTemplate."""
        return ActionResult(shapes.validated_template(parse(self._required_body())))

    @_operation
    def detect_stack_drift(self) -> ActionResult:
        """DetectStackDrift."""
        return ActionResult({"StackDriftDetectionId": drift.detect(self.stacks.get(self.asked["StackName"]))})

    @_operation
    def describe_stack_drift_detection_status(self) -> ActionResult:
        """DescribeStackDriftDetectionStatus."""
        wanted = self.asked["StackDriftDetectionId"]
        for stack in self.stacks.all():
            if stack.drift.get("StackDriftDetectionId") == wanted:
                return ActionResult({name: stack.drift[name] for name in stack.drift if name != "resources"})
        raise ValidationError(f"Drift detection status for ID {wanted} does not exist")

    @_operation
    def describe_stack_resource_drifts(self) -> ActionResult:
        """DescribeStackResourceDrifts."""
        found = self.stacks.get(self.asked["StackName"])
        wanted = set(self.asked.get("StackResourceDriftStatusFilters", []))
        drifts = [d for d in found.drift.get("resources", []) if not wanted or d["StackResourceDriftStatus"] in wanted]
        return ActionResult({"StackResourceDrifts": drifts})
