"""Label and field selectors: their text form, their ``LabelSelector`` form, and matching."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.kubernetes.errors import bad_request
from rehearsal.kubernetes.objects import Obj, dig

Matcher = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=(),]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=(),]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=(),]*)\s*$")
_ORDER = re.compile(r"^\s*(?P<key>[^\s!=(),<>]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)\s*$")
_EXISTS = re.compile(r"^\s*(?P<op>!?)\s*(?P<key>[^\s!=(),]+)\s*$")


def parse_labels(text: str) -> Matcher:
    """A predicate over labels from a query such as ``a=b,c!=d,e in (f,g),h,!i``.

    :raises ApiError: 400 when it cannot be parsed.
    """
    requirements = [_requirement(part) for part in _split(text) if part.strip()]
    return lambda labels: all(requirement(labels) for requirement in requirements)


def _split(text: str) -> list[str]:
    """Split at commas outside parentheses."""
    return re.split(r",(?![^(]*\))", text)


def _requirement(part: str) -> Matcher:
    if match := _SET.match(part):
        values = {value.strip() for value in match["values"].split(",")}
        return _operator(match["key"], "In" if match["op"] == "in" else "NotIn", values)
    if match := _EQUAL.match(part):
        return _operator(match["key"], "NotIn" if match["op"] == "!=" else "In", {match["value"]})
    if match := _ORDER.match(part):
        return _operator(match["key"], "Gt" if match["op"] == ">" else "Lt", {match["value"]})
    if match := _EXISTS.match(part):
        return _operator(match["key"], "DoesNotExist" if match["op"] else "Exists", set())
    raise bad_request(f"unable to parse requirement: found {part.strip()!r}, expected key[=|==|!=|in|notin]value")


def _operator(key: str, operator: str, values: set[str]) -> Matcher:
    match operator:
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":
            return lambda labels: labels.get(key) not in values
        case "Exists":
            return lambda labels: key in labels
        case "DoesNotExist":
            return lambda labels: key not in labels
        case "Gt" | "Lt":
            return lambda labels: _compares(labels.get(key), operator, values)
        case _:
            raise bad_request(f'"{operator}" is not a valid label selector operator')


def _compares(found: str | None, operator: str, values: set[str]) -> bool:
    try:
        left, right = int(found or ""), int(next(iter(values)))
    except (ValueError, StopIteration):
        return False
    return left > right if operator == "Gt" else left < right


def requirements(expressions: list[Obj]) -> Matcher:
    """A predicate from ``matchExpressions``."""
    parts = [_operator(e["key"], e["operator"], set(e.get("values") or [])) for e in expressions]
    return lambda labels: all(part(labels) for part in parts)


def label_selector(selector: Obj | None) -> Matcher:
    """A predicate from a ``LabelSelector``: null matches nothing, empty matches everything."""
    if selector is None:
        return lambda labels: False
    exact: dict[str, str] = selector.get("matchLabels") or {}
    rest = requirements(selector.get("matchExpressions") or [])
    return lambda labels: all(labels.get(k) == v for k, v in exact.items()) and rest(labels)


def to_text(selector: Obj | None) -> str:
    """The text form of a ``LabelSelector``, as scale subresources and tables show it."""
    if not selector:
        return ""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(expression.get("values") or [])
        parts.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
                expression["operator"], f"!{key}"
            )
        )
    return ",".join(parts)


def parse_fields(text: str, allowed: frozenset[str]) -> Callable[[Obj], bool]:
    """A predicate over objects from a query such as ``metadata.name=a,status.phase!=Running``.

    :param allowed: the fields the kind can be selected by.
    :raises ApiError: 400 when it cannot be parsed or names another field.
    """
    tests: list[tuple[str, bool, str]] = []
    for part in text.split(","):
        if not part.strip():
            continue
        match = re.match(r"^\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*$", part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = match.groups()
        if field not in allowed:
            # Kinds with selectable fields of their own word it differently from those with none.
            if len(allowed) > 2:
                raise bad_request(f"field label not supported: {field}")
            raise bad_request(f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"')
        tests.append((field, operator != "!=", value))
    return lambda obj: all((_field(obj, field) == value) is wanted for field, wanted, value in tests)


def _field(obj: Obj, field: str) -> str:
    found: Any = dig(obj, *field.split("."), default="")
    if isinstance(found, bool):
        return str(found).lower()
    return str(found)
