"""Intrinsic functions: from a template's expression to a value, by plain recursion.

Ref and Fn::GetAtt are the caller's business (parameters, pseudo parameters and resources live elsewhere), so
:func:`evaluate` takes a :class:`Scope`.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from rehearsal.aws.cloudformation.errors import ValidationError

_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


class _NoValue:
    """The type of ``AWS::NoValue``, which removes the key or item it stands for."""


NO_VALUE = _NoValue()


class Scope(Protocol):
    """What an expression can refer to."""

    def ref(self, name: str) -> Any:
        """Value of a parameter, pseudo parameter or resource."""

    def attribute(self, logical_id: str, name: str) -> Any:
        """Value of a resource's attribute."""

    def condition(self, name: str) -> bool:
        """Outcome of a named condition."""

    def mapping(self, name: str) -> Mapping[str, Any]:
        """One entry of the template's Mappings."""


def evaluate(node: Any, scope: Scope) -> Any:
    """Resolve every intrinsic function in ``node``.

    :raises ValidationError: for an unknown function, name, attribute or malformed argument.
    """
    if isinstance(node, list):
        return [value for value in (evaluate(item, scope) for item in node) if value is not NO_VALUE]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        ((name, argument),) = node.items()
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](argument, scope)
        if name.startswith("Fn::"):
            raise ValidationError(f"Template error: {name} is not supported; allowed are {', '.join(_FUNCTIONS)}")
    resolved = {key: evaluate(value, scope) for key, value in node.items()}
    return {key: value for key, value in resolved.items() if value is not NO_VALUE}


def references(node: Any) -> Iterator[tuple[str, str | None]]:
    """Every ``(name, attribute or None)`` that ``node`` refers to."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref" and isinstance(value, str):
                yield value, None
            elif key == "Fn::GetAtt":
                yield _get_att_parts(value)
            elif key == "Fn::Sub":
                yield from _sub_references(value)
            elif key == "Fn::If" and isinstance(value, list):
                yield from references(value[1:])
            else:
                yield from references(value)


def _sub_references(argument: Any) -> Iterator[tuple[str, str | None]]:
    text, own = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
    yield from references(list(own.values()))
    for literal, name in _PLACEHOLDER.findall(text):
        if not literal and name not in own:
            base, _, attribute = name.partition(".")
            yield base, attribute or None


def _get_att_parts(argument: Any) -> tuple[str, str]:
    if isinstance(argument, str):
        base, _, attribute = argument.partition(".")
        return base, attribute
    return str(argument[0]), str(argument[1])


def _ref(argument: Any, scope: Scope) -> Any:
    return NO_VALUE if argument == "AWS::NoValue" else scope.ref(argument)


def _get_att(argument: Any, scope: Scope) -> Any:
    return scope.attribute(*_get_att_parts(argument))


def _sub(argument: Any, scope: Scope) -> str:
    text, own = (argument, {}) if isinstance(argument, str) else (argument[0], evaluate(argument[1], scope))

    def replace(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return "${" + name + "}"
        if name in own:
            return as_text(own[name])
        base, _, attribute = name.partition(".")
        return as_text(scope.attribute(base, attribute) if attribute else scope.ref(base))

    return _PLACEHOLDER.sub(replace, text)


def as_text(value: Any) -> str:
    """A value as CloudFormation writes it into a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _join(argument: Any, scope: Scope) -> str:
    separator, items = argument
    return str(separator).join(as_text(item) for item in evaluate(items, scope))


def _split(argument: Any, scope: Scope) -> list[str]:
    separator, text = argument
    return as_text(evaluate(text, scope)).split(separator)


def _select(argument: Any, scope: Scope) -> Any:
    index, items = evaluate(argument[0], scope), evaluate(argument[1], scope)
    try:
        return items[int(index)]
    except IndexError as error:
        raise ValidationError(
            f"Template error: Fn::Select cannot select nonexistent value at index {index}; the list has {len(items)}"
        ) from error


def _if(argument: Any, scope: Scope) -> Any:
    name, when_true, when_false = argument
    return evaluate(when_true if scope.condition(name) else when_false, scope)


def _find_in_map(argument: Any, scope: Scope) -> Any:
    name, first, second = (evaluate(part, scope) for part in argument)
    try:
        return scope.mapping(name)[first][second]
    except KeyError as error:
        raise ValidationError(f"Template error: Unable to get mapping for {name}::{first}::{second}") from error


def _cidr(argument: Any, scope: Scope) -> list[str]:
    block, count, bits = ([*evaluate(argument, scope), 8])[:3]
    network = ipaddress.ip_network(block)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits))
    return [str(subnet) for subnet, _ in zip(subnets, range(int(count)), strict=False)]


def _base64(argument: Any, scope: Scope) -> str:
    return base64.b64encode(as_text(evaluate(argument, scope)).encode()).decode()


def _to_json_string(argument: Any, scope: Scope) -> str:
    return json.dumps(evaluate(argument, scope))


def _condition(argument: Any, scope: Scope) -> bool:
    return scope.condition(argument)


def _equals(argument: Any, scope: Scope) -> bool:
    left, right = (evaluate(side, scope) for side in argument)
    return as_text(left) == as_text(right)


def _not(argument: Any, scope: Scope) -> bool:
    return not evaluate(argument[0], scope)


def _and(argument: Any, scope: Scope) -> bool:
    return all(evaluate(item, scope) for item in argument)


def _or(argument: Any, scope: Scope) -> bool:
    return any(evaluate(item, scope) for item in argument)


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Condition": _condition,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::If": _if,
    "Fn::FindInMap": _find_in_map,
    "Fn::Cidr": _cidr,
    "Fn::Base64": _base64,
    "Fn::ToJsonString": _to_json_string,
    "Fn::Equals": _equals,
    "Fn::Not": _not,
    "Fn::And": _and,
    "Fn::Or": _or,
}
