"""Templates: reading YAML with its short tags, and checking and resolving parameters, conditions and rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.errors import ValidationError
from rehearsal.aws.cloudformation.intrinsics import evaluate, references

_SECTIONS = {
    "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings", "Conditions",
    "Resources", "Outputs",
}  # fmt: skip
_LIST_TYPES = ("CommaDelimitedList", "List<")
_MAX_BODY_BYTES = 51_200


class _Loader(yaml.CSafeLoader):
    """Safe YAML, read by libyaml, plus CloudFormation's short tags."""


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        value: Any = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]  # nothing else is left
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct_tag)
# YAML reads 2012-10-17 as a date; CloudFormation reads a string.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Template:
    """A template with its parameters resolved for one stack.

    :param given: parameter values as the caller gave them.
    """

    body: str
    document: dict[str, Any]
    pseudo: Mapping[str, Any]
    given: Mapping[str, str]
    parameters: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, bool] = field(default_factory=dict)

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources whose condition holds."""
        return {
            name: resource
            for name, resource in self.document["Resources"].items()
            if "Condition" not in resource or self.condition(resource["Condition"])
        }

    def condition(self, name: str) -> bool:
        """Outcome of a condition."""
        if name not in self.document.get("Conditions", {}):
            raise ValidationError(f"Template format error: Unresolved condition {name}; declare it under Conditions")
        if name not in self.conditions:
            self.conditions[name] = bool(evaluate(self.document["Conditions"][name], self))
        return self.conditions[name]

    def mapping(self, name: str) -> Mapping[str, Any]:
        """One mapping."""
        found: Mapping[str, Any] = self.document.get("Mappings", {}).get(name, {})
        return found

    def ref(self, name: str) -> Any:
        """Value of a parameter or pseudo parameter (resources are not known here)."""
        for known in (self.parameters, self.pseudo):
            if name in known:
                return known[name]
        raise ValidationError(f"Template error: {name} is not a parameter; resources cannot be used here")

    def attribute(self, logical_id: str, name: str) -> Any:
        """Never known without a stack."""
        raise ValidationError(f"Template error: Fn::GetAtt {logical_id}.{name} cannot be used in a condition or rule")

    def needs(self, logical_id: str) -> set[str]:
        """The resources that must exist before ``logical_id``."""
        resource = self.document["Resources"][logical_id]
        explicit = resource.get("DependsOn", [])
        named = {explicit} if isinstance(explicit, str) else set(explicit)
        named |= {name for name, _ in references(self._taken(resource.get("Properties", {})))}
        return (named & self.resources.keys()) - {logical_id}

    def _taken(self, node: Any) -> Any:
        """``node`` without the branches that its conditions rule out."""
        if isinstance(node, list):
            return [self._taken(item) for item in node]
        if isinstance(node, dict):
            if "Fn::If" in node:
                name, when_true, when_false = node["Fn::If"]
                return self._taken(when_true if self.condition(name) else when_false)
            return {key: self._taken(value) for key, value in node.items()}
        return node


def read(body: str, given: Mapping[str, str], pseudo: Mapping[str, Any]) -> Template:
    """Read and check a template.

    :raises ValidationError: as CloudFormation would before it makes anything.
    """
    return _read(body, json.dumps(dict(given)), json.dumps(dict(pseudo)))


@lru_cache(maxsize=64)
def _read(body: str, given_json: str, pseudo_json: str) -> Template:
    """Cached, since every step of an operation looks at its template. Nobody changes a Template."""
    given, pseudo = json.loads(given_json), json.loads(pseudo_json)
    if len(body.encode()) > _MAX_BODY_BYTES:
        raise ValidationError(
            f"1 validation error detected: templateBody has {len(body.encode())} bytes; at most {_MAX_BODY_BYTES} are"
            " allowed. Upload it to S3 and pass TemplateURL"
        )
    document = parse(body)
    _check_sections(document)
    template = Template(body, document, pseudo, dict(given))
    template.parameters = _resolve_parameters(document.get("Parameters", {}), given)
    _check_references(template)
    _check_rules(template)
    return template


@lru_cache(maxsize=32)
def parse(body: str) -> dict[str, Any]:
    """The template as a dict, short tags expanded.

    :raises ValidationError: when it is no mapping or has no resources.
    """
    try:
        document = yaml.load(body, Loader=_Loader)  # noqa: S506  (a SafeLoader with more tags)
    except yaml.YAMLError as error:
        raise ValidationError(f"Template format error: YAML not well-formed. {error}") from error
    if not isinstance(document, dict):
        raise ValidationError("Template format error: unsupported structure.")
    if not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise ValidationError("Template format error: At least one Resources member must be defined.")
    return document


def _check_sections(document: Mapping[str, Any]) -> None:
    unknown = sorted(set(document) - _SECTIONS)
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    types = {name: str(resource.get("Type")) for name, resource in document["Resources"].items()}
    schemas.refuse_unknown_types(set(types.values()))
    for name, resource in document["Resources"].items():
        schemas.check_properties(name, types[name], resource.get("Properties", {}))


def _check_references(template: Template) -> None:
    document = template.document
    known = {*document["Resources"], *document.get("Parameters", {}), *template.pseudo, "AWS::NoValue"}
    for section in ("Resources", "Outputs"):
        for item in document.get(section, {}).values():
            missing = sorted({name for name, _ in references(item)} - known)
            if missing:
                raise ValidationError(
                    f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in the "
                    f"{section} block of the template"
                )
    for name, attribute in references([r.get("Properties", {}) for r in template.resources.values()]):
        if attribute is not None and name in document["Resources"]:
            schemas.check_attribute(document["Resources"][name]["Type"], attribute)


def _check_rules(template: Template) -> None:
    for name, rule in template.document.get("Rules", {}).items():
        if "RuleCondition" in rule and not evaluate(rule["RuleCondition"], template):
            continue
        for assertion in rule.get("Assertions", []):
            if not evaluate(assertion["Assert"], template):
                reason = assertion.get("AssertDescription", name)
                raise ValidationError(f"Template validation rule failed: {name}: {reason}")


def _resolve_parameters(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ValidationError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, spec in declared.items() if name not in given and "Default" not in spec]
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    resolved: dict[str, Any] = {}
    for name, spec in declared.items():
        text = str(given.get(name, spec.get("Default", "")))
        is_list = spec["Type"].startswith(_LIST_TYPES)
        values = [item.strip() for item in text.split(",")] if is_list else [text]
        for value in values:
            _check_parameter(name, spec, value)
        resolved[name] = values if is_list else text
    return resolved


def _check_parameter(name: str, spec: Mapping[str, Any], value: str) -> None:
    hint = spec.get("ConstraintDescription")

    def refuse(rule: str) -> None:
        raise ValidationError(f"Parameter {name} failed to satisfy constraint: {hint or rule}")

    if "AllowedValues" in spec and value not in [str(allowed) for allowed in spec["AllowedValues"]]:
        listed = ", ".join(str(allowed) for allowed in spec["AllowedValues"])
        raise ValidationError(f"Parameter '{name}' must be one of AllowedValues: [{listed}], not {value!r}")
    if "AllowedPattern" in spec and not re.fullmatch(spec["AllowedPattern"], value):
        refuse(f"Member must satisfy regular expression pattern: {spec['AllowedPattern']}")
    if spec["Type"] in ("Number", "List<Number>"):
        _check_number(name, spec, value)
    if "MinLength" in spec and len(value) < int(spec["MinLength"]):
        refuse(f"Member must have length greater than or equal to {spec['MinLength']}")
    if "MaxLength" in spec and len(value) > int(spec["MaxLength"]):
        refuse(f"Member must have length less than or equal to {spec['MaxLength']}")


def _check_number(name: str, spec: Mapping[str, Any], value: str) -> None:
    try:
        number = float(value)
    except ValueError as error:
        raise ValidationError(f"Parameter '{name}' must be a number, not {value!r}") from error
    lowest, highest = spec.get("MinValue"), spec.get("MaxValue")
    if lowest is not None and number < float(lowest):
        raise ValidationError(f"Parameter '{name}' must be a number not less than {lowest}, not {value}")
    if highest is not None and number > float(highest):
        raise ValidationError(f"Parameter '{name}' must be a number not greater than {highest}, not {value}")
