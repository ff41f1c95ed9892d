"""What a template's expressions mean inside one stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.utilities.utils import get_partition

from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.errors import ValidationError
from rehearsal.aws.cloudformation.intrinsics import as_text, evaluate
from rehearsal.aws.cloudformation.model import Stack
from rehearsal.aws.cloudformation.template import Template, read


def template_of(stack: Stack, body: str, parameters: Mapping[str, str]) -> Template:
    """``body`` read for ``stack``.

    :raises ValidationError: when the template or a parameter is not acceptable.
    """
    partition = get_partition(stack.region)
    pseudo = {
        "AWS::AccountId": stack.account,
        "AWS::Region": stack.region,
        "AWS::Partition": partition,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
        "AWS::StackName": stack.name,
        "AWS::StackId": stack.id,
        "AWS::NotificationARNs": stack.notification_arns,
    }
    return read(body, parameters, pseudo)


class StackScope:
    """Parameters and conditions of a template, and the resources of a stack as they are now."""

    def __init__(self, template: Template, stack: Stack) -> None:
        self._template = template
        self._stack = stack

    def ref(self, name: str) -> Any:
        """A parameter, pseudo parameter or resource's physical id."""
        resource = self._stack.resources.get(name)
        if resource is not None and resource.physical_id is not None:
            return resource.physical_id
        return self._template.ref(name)

    def attribute(self, logical_id: str, name: str) -> Any:
        """A resource's attribute."""
        resource = self._stack.resources.get(logical_id)
        if resource is None or name not in resource.attributes:
            known = ", ".join(sorted(resource.attributes)) if resource else "no such resource"
            raise ValidationError(f"Template error: {logical_id} has no attribute {name} ({known})")
        return resource.attributes[name]

    def condition(self, name: str) -> bool:
        """Outcome of a condition."""
        return self._template.condition(name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """One mapping."""
        return self._template.mapping(name)


def properties_of(template: Template, scope: Any, logical_id: str, stack_tags: Mapping[str, str]) -> dict[str, Any]:
    """The resolved properties of a resource, with the stack's tags where the type takes tags."""
    resource = template.resources[logical_id]
    resolved: dict[str, Any] = evaluate(resource.get("Properties", {}), scope)
    name = schemas.tag_property(resource["Type"])
    if name is not None and stack_tags:
        own = resolved.get(name, [])
        taken = {tag["Key"] for tag in own}
        inherited = [{"Key": key, "Value": value} for key, value in sorted(stack_tags.items()) if key not in taken]
        resolved[name] = [*own, *inherited]
    return resolved


def outputs_of(template: Template, stack: Stack) -> list[dict[str, Any]]:
    """The stack's outputs."""
    return list(_outputs(template, StackScope(template, stack)))


def _outputs(template: Template, scope: StackScope) -> Iterator[dict[str, Any]]:
    for name, output in template.document.get("Outputs", {}).items():
        if "Condition" in output and not template.condition(output["Condition"]):
            continue
        described: dict[str, Any] = {"OutputKey": name, "OutputValue": as_text(evaluate(output["Value"], scope))}
        if "Description" in output:
            described["Description"] = output["Description"]
        if "Export" in output:
            described["ExportName"] = as_text(evaluate(output["Export"]["Name"], scope))
        yield described
