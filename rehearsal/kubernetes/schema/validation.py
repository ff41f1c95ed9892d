"""Decoding and validating values against schema nodes, reporting faults as a kube-apiserver words them."""

from __future__ import annotations

import base64
import binascii
import re
import string
from dataclasses import dataclass, field
from typing import Any

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.errors import Cause, bad_value, duplicate, not_supported, required
from rehearsal.kubernetes.objects import parse_time
from rehearsal.kubernetes.schema.nodes import Node

_BASE64 = frozenset(string.ascii_letters + string.digits + "+/=")


@dataclass(frozen=True)
class WrongType:
    """A value of another JSON type than the schema's; ``owner`` is the definition it is a field of."""

    path: str
    found: str
    wanted: str
    owner: str


@dataclass
class Faults:
    """What decoding found.

    :ivar unknown: paths of fields the schema does not declare; they were dropped.
    :ivar types: values of the wrong JSON type.
    :ivar malformed: what cannot be read for another reason: quantities and base64.
    """

    unknown: list[str] = field(default_factory=list)
    types: list[WrongType] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)


def decode(node: Node, value: Any, faults: Faults, path: str = "", owner: str = "") -> Any:
    """A copy of ``value`` without nulls and undeclared fields; faults are collected, not raised."""
    if node.kind == "any":
        return _copy(value)
    if node.kind == "scalar":
        return _decode_scalar(node, value, faults, path, owner)
    if node.kind == "list":
        if not isinstance(value, list):
            return _wrong_type(value, "array", faults, path, owner)
        return [decode(node.element, item, faults, f"{path}[{i}]", owner) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return _wrong_type(value, "object", faults, path, owner)
    return _decode_object(node, value, faults, path, node.definition.rpartition(".")[2] or owner)


def _decode_object(node: Node, value: dict[str, Any], faults: Faults, path: str, owner: str) -> dict[str, Any]:
    result = {}
    for key, item in value.items():
        child = node.child(key)
        where = f"{path}.{key}" if path else key
        if child is None:
            faults.unknown.append(where)
        elif item is not None:
            result[key] = decode(child, item, faults, where, owner)
        elif node.kind == "map" and child.kind == "scalar":
            result[key] = ""
        elif child.raw.get("nullable"):
            result[key] = None
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copy(v) for v in value]
    return value


def json_type(value: Any) -> str:
    """The JSON type name of a Python value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kind, name in ((str, "string"), (int, "integer"), (float, "number"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"


def _decode_scalar(node: Node, value: Any, faults: Faults, path: str, owner: str) -> Any:
    found = json_type(value)
    if found in node.types or (found == "integer" and "number" in node.types):
        if node.is_quantity or node.format == "byte":
            _check_readable(node, value, faults)
        return str(value) if node.is_quantity else value
    if found == "number" and "integer" in node.types and float(value).is_integer() and node.custom:
        return int(value)
    return _wrong_type(value, _wanted(node), faults, path, owner)


def _check_readable(node: Node, value: Any, faults: Faults) -> None:
    try:
        if node.is_quantity:
            quantity.parse(value)
        elif not node.custom:
            base64.b64decode(value, validate=True)
    except binascii.Error:
        bad = next((i for i, c in enumerate(value) if c not in _BASE64), len(value))
        faults.malformed.append(f"illegal base64 data at input byte {bad}")
    except ValueError as error:
        faults.malformed.append(str(error))


def _wanted(node: Node) -> str:
    if "integer" in node.types and "string" not in node.types:
        return node.format or "integer"
    return "/".join(sorted(node.types))


def _wrong_type(value: Any, wanted: str, faults: Faults, path: str, owner: str) -> Any:
    faults.types.append(WrongType(path, json_type(value), wanted, owner))
    return value


def check(node: Node, value: Any, path: str = "") -> list[Cause]:
    """Faults of a decoded value: required fields, ranges, patterns, quantities, duplicate keys."""
    causes: list[Cause] = []
    _check(node, value, path, causes)
    return causes


def _check(node: Node, value: Any, path: str, causes: list[Cause]) -> None:
    if node.custom:
        _check_combinators(node, value, path, causes)
    if node.kind == "scalar":
        _check_scalar(node, value, path, causes)
    elif node.kind == "list" and isinstance(value, list):
        _check_list(node, value, path, causes)
    elif node.kind in ("struct", "map") and isinstance(value, dict):
        for name in node.required:
            if name not in value:
                causes.append(required(f"{path}.{name}" if path else name))
        for key, item in value.items():
            child = node.child(key)
            if child is not None:
                where = (f"{path}[{key}]" if node.kind == "map" else f"{path}.{key}") if path else key
                _check(child, item, where, causes)


def _check_list(node: Node, value: list[Any], path: str, causes: list[Cause]) -> None:
    raw = node.raw
    if len(value) < raw.get("minItems", 0):
        causes.append(bad_value(path, len(value), f"must have at least {raw['minItems']} items"))
    if len(value) > raw.get("maxItems", len(value)):
        causes.append(bad_value(path, len(value), f"must have at most {raw['maxItems']} items"))
    seen: set[str] = set()
    for index, item in enumerate(value):
        where = f"{path}[{index}]"
        _check(node.element, item, where, causes)
        if node.list_type in ("map", "set"):
            key = _key(node, item)
            if key in seen:
                causes.append(duplicate(where, _shown_key(node, item)))
            seen.add(key)


def _shown_key(node: Node, item: Any) -> Any:
    if node.list_type == "set":
        return item
    names = node.map_keys
    return item.get(names[0]) if len(names) == 1 else {name: item.get(name) for name in names}


def _key(node: Node, item: Any) -> str:
    if node.list_type == "set" or not isinstance(item, dict):
        return repr(item)
    return repr([item.get(name, node.key_defaults.get(name)) for name in node.map_keys])


def _check_scalar(node: Node, value: Any, path: str, causes: list[Cause]) -> None:
    raw = node.raw
    if node.is_quantity:
        return
    if raw.get("enum") and path not in ("kind", "apiVersion") and value not in raw["enum"]:
        causes.append(not_supported(path, value, [str(item) for item in raw["enum"]]))
    if isinstance(value, str):
        _check_string(node, value, path, causes)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_number(raw, value, path, causes)


def _check_string(node: Node, value: str, path: str, causes: list[Cause]) -> None:
    raw = node.raw
    if "pattern" in raw and not re.search(raw["pattern"], value):
        causes.append(bad_value(path, value, f"{path} in body should match '{raw['pattern']}'"))
    if len(value) < raw.get("minLength", 0):
        causes.append(bad_value(path, value, f"{path} in body should be at least {raw['minLength']} chars long"))
    if len(value) > raw.get("maxLength", len(value)):
        causes.append(bad_value(path, value, f"may not be more than {raw['maxLength']} bytes"))
    if node.format == "date-time":
        try:
            parse_time(value)
        except ValueError:
            causes.append(bad_value(path, value, "must be an RFC 3339 date-time"))


def _check_number(raw: dict[str, Any], value: float, path: str, causes: list[Cause]) -> None:
    if "minimum" in raw and value < raw["minimum"]:
        causes.append(bad_value(path, value, f"{path} in body should be greater than or equal to {raw['minimum']}"))
    if "maximum" in raw and value > raw["maximum"]:
        causes.append(bad_value(path, value, f"{path} in body should be less than or equal to {raw['maximum']}"))


def _check_combinators(node: Node, value: Any, path: str, causes: list[Cause]) -> None:
    """``allOf``, ``anyOf``, ``oneOf`` and ``not`` of structural schemas: value validations only."""
    raw = node.raw
    if raw.get("x-kubernetes-int-or-string"):
        return
    for branch in raw.get("allOf") or []:
        causes.extend(_branch(node, branch, value, path))
    for word in ("anyOf", "oneOf"):
        branches = raw.get(word)
        if branches:
            hits = sum(not _branch(node, branch, value, path) for branch in branches)
            if hits == 0 or (word == "oneOf" and hits > 1):
                causes.append(bad_value(path, value, f"{path} in body must validate {word} of the allowed schemas"))
    if "not" in raw and not _branch(node, raw["not"], value, path):
        causes.append(bad_value(path, value, f"{path} in body must not validate the schema (not)"))


def _branch(node: Node, branch: dict[str, Any], value: Any, path: str) -> list[Cause]:
    shape = {"type": node.raw.get("type"), **branch} if node.raw.get("type") else branch
    causes: list[Cause] = []
    _check(Node(shape, None, custom=True), value, path, causes)
    return causes
