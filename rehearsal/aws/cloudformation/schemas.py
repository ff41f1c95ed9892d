"""What AWS publishes about each resource type, read from the schemas that cfn-lint ships.

They say which properties exist and are required, which can only be set at creation (a change replaces the
resource), which attributes Fn::GetAtt offers and where tags go; so none of that is written down again here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rehearsal.aws.cloudformation.errors import ValidationError

# Attributes that CloudFormation offers although the schema lists them as plain properties.
_EXTRA_ATTRIBUTES = {"AWS::EC2::VPC": {"CidrBlock"}, "AWS::EC2::Subnet": {"AvailabilityZone", "VpcId"}}


@cache
def _folder() -> Path:
    # Located, not imported: importing cfn-lint costs more than a second.
    spec = find_spec("cfnlint")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the rehearsal needs cfn-lint for AWS's resource schemas: pip install cfn-lint")
    return Path(spec.submodule_search_locations[0]) / "data" / "schemas"


@cache
def _index() -> Mapping[str, str]:
    index: Mapping[str, str] = json.loads((_folder() / "providers" / "us-east-1.json").read_text())
    return index


@cache
def schema(resource_type: str) -> Mapping[str, Any]:
    """The published schema of ``resource_type``."""
    found: Mapping[str, Any] = json.loads(
        (_folder() / "resources" / f"{_index()[resource_type]}.json").read_text(encoding="utf-8")
    )
    return found


def refuse_unknown_types(types: Iterable[str]) -> None:
    """Refuse what AWS does not know, and by name what AWS knows and the rehearsal cannot make.

    :raises ValidationError: naming the types.
    """
    from rehearsal.aws.cloudformation.types import knows

    unknown = sorted(name for name in set(types) if name not in _index() or not knows(name))
    if unknown:
        real = [name for name in unknown if name in _index()]
        note = f" (the rehearsal cannot make {', '.join(real)}; AWS can)" if real else ""
        raise ValidationError(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]{note}")


def check_properties(logical_id: str, resource_type: str, properties: Mapping[str, Any]) -> None:
    """Refuse properties that the type does not have and miss none that it requires.

    :raises ValidationError: as CloudFormation words it.
    """
    published = schema(resource_type)
    read_only = {pointer for pointer in read_only_properties(resource_type) if "/" not in pointer}
    extra = sorted(set(properties) - (set(published["properties"]) - read_only))
    missing = sorted(set(published.get("required") or []) - set(properties))
    problems = [f"#: extraneous key [{key}] is not permitted" for key in extra]
    problems += [f"#: required key [{key}] not found" for key in missing]
    if problems:
        raise ValidationError(
            f"Properties validation failed for resource {logical_id} with message:\n" + "\n".join(problems)
        )


def read_only_properties(resource_type: str) -> set[str]:
    """Attributes that only AWS sets, ``/``-separated where nested."""
    return {_strip(pointer) for pointer in schema(resource_type).get("readOnlyProperties") or []}


def check_attribute(resource_type: str, attribute: str) -> None:
    """Refuse an attribute that Fn::GetAtt does not offer.

    :raises ValidationError: naming the attributes that exist.
    """
    allowed = {pointer.replace("/", ".") for pointer in read_only_properties(resource_type)}
    allowed |= _EXTRA_ATTRIBUTES.get(resource_type, set())
    if attribute not in allowed:
        raise ValidationError(
            f"Template error: resource type {resource_type} does not support attribute {attribute} in Fn::GetAtt; "
            f"it offers {', '.join(sorted(allowed)) or 'none'}"
        )


def replacement(resource_type: str, changed: Iterable[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """``True``, ``False`` or ``Conditional``: whether changing these top-level properties replaces the resource.

    :param old: the properties before.
    :param new: the properties after.
    """
    published = schema(resource_type)
    names = set(changed)
    for outcome, member in (("True", "createOnlyProperties"), ("Conditional", "conditionalCreateOnlyProperties")):
        for pointer in published.get(member) or []:
            path = _strip(pointer).split("/")
            if path[0] in names and _at(old, path) != _at(new, path):
                return outcome
    return "False"


def _at(properties: Any, path: list[str]) -> Any:
    """The value at ``path``; what lies inside a list is compared with the list."""
    for name in path:
        if not isinstance(properties, Mapping):
            return properties
        properties = properties.get(name)
    return properties


def tag_property(resource_type: str) -> str | None:
    """Name of the property that holds tags, ``None`` where stack tags do not reach the resource."""
    tagging = schema(resource_type).get("tagging") or {}
    return _strip(tagging["tagProperty"]) if tagging.get("taggable") and "tagProperty" in tagging else None


def takes_system_tags(resource_type: str) -> bool:
    """Whether CloudFormation puts its ``aws:cloudformation:*`` tags on the resource."""
    return bool((schema(resource_type).get("tagging") or {}).get("cloudFormationSystemTags"))


def custom_name_property(resource_type: str) -> str | None:
    """The property that names the resource, when that name is also its identifier."""
    identifiers = [_strip(pointer) for pointer in schema(resource_type)["primaryIdentifier"]]
    read_only = read_only_properties(resource_type)
    named = [name for name in identifiers if name not in read_only]
    return named[0] if len(identifiers) == 1 and named else None


def _strip(pointer: str) -> str:
    return pointer.removeprefix("/properties/")
