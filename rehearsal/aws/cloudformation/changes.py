"""What a change set would do: each resource added, modified (and whether that replaces it) or removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.engine import changed_properties
from rehearsal.aws.cloudformation.errors import ValidationError
from rehearsal.aws.cloudformation.intrinsics import references
from rehearsal.aws.cloudformation.model import Resource, Stack
from rehearsal.aws.cloudformation.scope import StackScope, properties_of, template_of
from rehearsal.aws.cloudformation.template import Template

_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
_RECREATION = {"True": "Always", "Conditional": "Conditionally", "False": "Never"}
# Attributes that an update in place changes.
_MOVING_ATTRIBUTES = {"AWS::EC2::LaunchTemplate": {"LatestVersionNumber", "DefaultVersionNumber"}}


def order(template: Template) -> list[str]:
    """The resources so that each follows what it needs.

    :raises ValidationError: when they need each other in a circle.
    """
    try:
        return list(
            TopologicalSorter({name: template.needs(name) for name in sorted(template.resources)}).static_order()
        )
    except CycleError as error:
        circle = ", ".join(error.args[1])
        raise ValidationError(f"Circular dependency between resources: [{circle}]") from error


def has_output_changes(stack: Stack, template: Template) -> bool:
    """Whether an update would change nothing but outputs."""
    before = template_of(stack, stack.body, stack.parameters).document.get("Outputs", {})
    return bool(before != template.document.get("Outputs", {}))


def additions(template: Template) -> list[dict[str, Any]]:
    """The changes of a change set that creates its stack."""
    return [_change("Add", name, template.resources[name]["Type"], None) for name in order(template)]


def changes(stack: Stack, template: Template, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """The changes that an update of ``stack`` to ``template`` and ``tags`` would make."""
    preview = _Preview(stack, template, tags)
    found = [change for name in order(template) if (change := preview.change(name)) is not None]
    gone = [resource for name, resource in stack.resources.items() if name not in template.resources]
    return found + [_removal(resource) for resource in gone]


def _change(action: str, logical_id: str, resource_type: str, physical_id: str | None, **more: Any) -> dict[str, Any]:
    change = {"Action": action, "LogicalResourceId": logical_id, "ResourceType": resource_type, **more}
    if physical_id is not None:
        change["PhysicalResourceId"] = physical_id
    return {"Type": "Resource", "ResourceChange": change}


def _removal(resource: Resource) -> dict[str, Any]:
    action = "Delete" if resource.deletion_policy == "Delete" else "Retain"
    return _change("Remove", resource.logical_id, resource.type, resource.physical_id, PolicyAction=action)


class _Preview:
    """Evaluates the new template as far as it can be known before it is applied."""

    def __init__(self, stack: Stack, template: Template, tags: Mapping[str, str]) -> None:
        self._stack = stack
        self._template = template
        self._tags = tags
        self._before = template_of(stack, stack.body, stack.parameters)
        self._known = StackScope(template, stack)
        self._unknown: set[str] = set()
        self._moving: dict[str, set[str]] = {}

    def ref(self, name: str) -> Any:
        """As now, or not known yet."""
        return _AFTER_APPLY if name in self._unknown else self._known.ref(name)

    def attribute(self, logical_id: str, name: str) -> Any:
        """As now, or not known yet."""
        if logical_id in self._unknown or name in self._moving.get(logical_id, set()):
            return _AFTER_APPLY
        return self._known.attribute(logical_id, name)

    def condition(self, name: str) -> bool:
        """Outcome of a condition."""
        return self._template.condition(name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """One mapping."""
        return self._template.mapping(name)

    def change(self, name: str) -> dict[str, Any] | None:
        """What happens to one resource; ``None`` when nothing does."""
        declared = self._template.resources[name]
        resource = self._stack.resources.get(name)
        if resource is None:
            self._unknown.add(name)
            return _change("Add", name, declared["Type"], None)
        if resource.type != declared["Type"]:
            raise ValidationError(
                "Update of resource type is not permitted. The new template modifies resource type of the following "
                f"resources: [{name}]"
            )
        wanted = properties_of(self._template, self, name, self._tags)
        changed = changed_properties(resource.properties, wanted)
        scopes = self._scopes(resource, declared, changed)
        if not scopes:
            return None
        replacement = schemas.replacement(resource.type, changed, resource.properties, wanted)
        details = list(self._details(resource, wanted, changed))
        if replacement == "True" and all(detail["Evaluation"] == "Dynamic" for detail in details):
            replacement = "Conditional"
        if replacement == "True":
            self._unknown.add(name)
        self._moving[name] = _MOVING_ATTRIBUTES.get(resource.type, set()) if changed else set()
        more: dict[str, Any] = {"Replacement": replacement, "Scope": scopes, "Details": details}
        if replacement == "True":
            more["PolicyAction"] = f"ReplaceAnd{'Delete' if resource.replace_policy == 'Delete' else 'Retain'}"
        return _change("Modify", name, resource.type, resource.physical_id, **more)

    def _scopes(self, resource: Resource, declared: Mapping[str, Any], changed: set[str]) -> list[str]:
        tags = schemas.tag_property(resource.type)
        before = self._before.document["Resources"].get(resource.logical_id, {})
        found = ["Properties"] if changed - {tags} else []
        found += ["Tags"] if tags in changed else []
        found += ["Metadata"] if before.get("Metadata") != declared.get("Metadata") else []
        found += ["DeletionPolicy"] if resource.deletion_policy != declared.get("DeletionPolicy", "Delete") else []
        found += (
            ["UpdateReplacePolicy"] if resource.replace_policy != declared.get("UpdateReplacePolicy", "Delete") else []
        )
        return found

    def _details(self, resource: Resource, wanted: Mapping[str, Any], changed: set[str]) -> Iterator[dict[str, Any]]:
        tags = schemas.tag_property(resource.type)
        for name in sorted(changed):
            recreation = _RECREATION[schemas.replacement(resource.type, [name], resource.properties, wanted)]
            target = {"Attribute": "Tags"} if name == tags else {
                "Attribute": "Properties", "Name": name, "RequiresRecreation": recreation,
            }  # fmt: skip
            yield {"Target": target, **self._cause(resource.logical_id, name, wanted.get(name))}

    def _cause(self, logical_id: str, name: str, wanted: Any) -> dict[str, str]:
        before = self._before.document["Resources"].get(logical_id, {}).get("Properties", {}).get(name)
        after = self._template.resources[logical_id].get("Properties", {}).get(name)
        if before == after:
            for entity, attribute in references(after):
                changing = entity in self._unknown or attribute in self._moving.get(entity, set())
                if entity in self._stack.resources and changing:
                    source = "ResourceAttribute" if attribute else "ResourceReference"
                    causing = f"{entity}.{attribute}" if attribute else entity
                    return {"ChangeSource": source, "CausingEntity": causing, "Evaluation": "Dynamic"}
                if self._before.parameters.get(entity) != self._template.parameters.get(entity):
                    return {"ChangeSource": "ParameterReference", "CausingEntity": entity, "Evaluation": "Static"}
        evaluation = "Dynamic" if _AFTER_APPLY in repr(wanted) else "Static"
        return {"ChangeSource": "DirectModification", "Evaluation": evaluation}
