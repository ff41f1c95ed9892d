"""Reading CloudFormation templates, to compare what they mean rather than how they are written."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import yaml

# Text for people: no stack changes with it.
_PROSE = {"Description", "ConstraintDescription"}


# A template takes a tenth of a second without libyaml.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Understands the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "Fn::GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _function)
# Dates stay text: 2012-10-17 is the version of a policy.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@lru_cache(maxsize=32)
def parse(template: str) -> dict[str, Any]:
    """Read a template, in YAML with short or long forms, or in JSON. The result is shared: do not change it.

    :raises ValueError: it is no mapping.
    """
    parsed = yaml.load(template, Loader=_Loader)  # noqa: S506 - derives from SafeLoader
    if not isinstance(parsed, dict):
        raise ValueError("not a CloudFormation template: its top level is no mapping")
    return parsed


@lru_cache(maxsize=32)
def meaning(template: str) -> dict[str, Any]:
    """What of a template CloudFormation acts on: prose and top-level metadata left out, everything else as it is."""
    parsed = parse(template)
    kept = {key: value for key, value in parsed.items() if key not in {"Description", "Metadata"}}
    for section in ("Parameters", "Outputs"):
        kept[section] = {
            name: {key: value for key, value in entry.items() if key not in _PROSE}
            for name, entry in (parsed.get(section) or {}).items()
        }
    # Through JSON, so that key order and YAML's own types cannot differ.
    result: dict[str, Any] = json.loads(json.dumps(kept, sort_keys=True, default=str))
    return result


def defaults(template: str) -> dict[str, str]:
    """Default values of the parameters, as CloudFormation shows them."""
    declared = parse(template).get("Parameters") or {}
    return {name: str(entry["Default"]) for name, entry in declared.items() if "Default" in entry}


def required(template: str) -> set[str]:
    """Parameters without a default."""
    declared = parse(template).get("Parameters") or {}
    return {name for name, entry in declared.items() if "Default" not in entry}


def references(value: Any) -> set[str]:
    """Names that a part of a template refers to, through ``Ref``, ``GetAtt``, ``Sub``, ``If`` or ``Condition``."""
    found: set[str] = set()
    if isinstance(value, list):
        for item in value:
            found |= references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in {"Ref", "Condition"} and isinstance(item, str):
                found.add(item)
            elif key == "Fn::GetAtt":
                found.add(item[0] if isinstance(item, list) else str(item).split(".", 1)[0])
            elif key == "Fn::If" and isinstance(item, list):
                found |= {str(item[0])} | references(item[1:])
            elif key == "Fn::Sub":
                found |= _substituted(item)
            else:
                found |= references(item)
    return found


def _substituted(item: Any) -> set[str]:
    text, extra = (item[0], item[1]) if isinstance(item, list) else (str(item), {})
    names = {part.split("}", 1)[0].split(".", 1)[0] for part in text.split("${")[1:] if not part.startswith("!")}
    return (names - set(extra)) | references(extra)
