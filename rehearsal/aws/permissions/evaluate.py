"""Does a set of identity policies allow a request? Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# Values of a condition key; None: the request does not have it.
Values = tuple[str, ...] | None
Context = Callable[[str], Values]


class PolicyError(ValueError):
    """A policy document has something that is not evaluated here, and must not be taken for less than it says."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, its scalars made lists."""

    sid: str
    effect: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    # operator, key, values
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Whether it speaks of this action on this resource in this context."""
        return (
            self._fits(self.actions, self.not_actions, action, ignore_case=True)
            and self._fits(self.resources, self.not_resources, resource, ignore_case=False)
            and all(holds(operator, values, context(key)) for operator, key, values in self.conditions)
        )

    @staticmethod
    def _fits(wanted: tuple[str, ...], unwanted: tuple[str, ...], value: str, *, ignore_case: bool) -> bool:
        if unwanted:
            return not any(matches(pattern, value, ignore_case=ignore_case) for pattern in unwanted)
        return any(matches(pattern, value, ignore_case=ignore_case) for pattern in wanted)


@dataclass(frozen=True)
class Decision:
    """What came of one request.

    :param sid: the statement that decided, empty when none allows it.
    """

    allowed: bool
    sid: str = ""


@dataclass(frozen=True)
class Request:
    """One action on one resource.

    :param resource: its ARN, or ``*`` where the action has no resource.
    :param facts: values of condition keys, by key in lower case.
    """

    action: str
    resource: str = "*"
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def decide(statements: Iterable[Statement], request: Request, context: Context) -> Decision:
    """An explicit Deny wins, then any Allow; nothing is allowed by itself.

    :param context: looks a condition key up, the request's own facts included.
    """
    allowed = Decision(False)
    for one in statements:
        if one.effect == "Allow" and allowed.allowed:
            continue
        if one.applies(request.action, request.resource, context):
            if one.effect == "Deny":
                return Decision(False, one.sid)
            allowed = Decision(True, one.sid)
    return allowed


def statements_of(document: Mapping[str, Any], name: str) -> list[Statement]:
    """The statements of a policy document.

    :param name: of the policy; statements are called ``<name>.<Sid>``.
    :raises PolicyError: an element, operator or policy variable that is not evaluated here.
    """
    found = []
    for index, raw in enumerate(_list(document.get("Statement"))):
        sid = f"{name}.{raw.get('Sid', index)}"
        unknown = set(raw) - {
            *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"),
        }
        if unknown:
            raise PolicyError(f"{sid} has {', '.join(sorted(unknown))}, which an identity policy does not take")
        if raw.get("Effect") not in ("Allow", "Deny"):
            raise PolicyError(f"{sid} has the effect {raw.get('Effect')!r}; allowed are Allow and Deny")
        conditions = tuple(
            (_known(operator, sid), key.lower(), tuple(str(one) for one in _list(values)))
            for operator, keys in (raw.get("Condition") or {}).items()
            for key, values in keys.items()
        )
        lists = {
            key: tuple(str(one) for one in _list(raw.get(key)))
            for key in ("Action", "NotAction", "Resource", "NotResource")
        }
        for value in [
            *lists["Resource"],
            *lists["NotResource"],
            *(value for _, _, some in conditions for value in some),
        ]:
            if "${" in value:
                raise PolicyError(f"{sid} uses the policy variable in {value!r}, which is not evaluated here")
        found.append(
            Statement(
                sid=sid,
                effect=raw["Effect"],
                actions=lists["Action"],
                not_actions=lists["NotAction"],
                resources=lists["Resource"],
                not_resources=lists["NotResource"],
                conditions=conditions,
            )
        )
    return found


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether a value fits a pattern with ``*`` and ``?``."""
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    text = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _arn_like(pattern: str, value: str) -> bool:
    """Part by part: a wildcard of an ARN does not reach over a colon, save in its last part."""
    wanted, found = pattern.split(":", 5), value.split(":", 5)
    return len(wanted) == len(found) == 6 and all(matches(*pair) for pair in zip(wanted, found, strict=True))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda wanted, value: compare(float(value), float(wanted))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": matches,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericEquals": _number(lambda value, wanted: value == wanted),
    "NumericLessThan": _number(lambda value, wanted: value < wanted),
    "NumericLessThanEquals": _number(lambda value, wanted: value <= wanted),
    "NumericGreaterThan": _number(lambda value, wanted: value > wanted),
    "NumericGreaterThanEquals": _number(lambda value, wanted: value >= wanted),
}
_NEGATIONS = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
}


def holds(operator: str, wanted: tuple[str, ...], values: Values) -> bool:
    """Whether one condition holds; several wanted values are alternatives.

    :param values: what the request has; None for nothing.
    """
    quantifier, _, name = operator.rpartition(":")
    bare = name.removesuffix("IfExists")
    if bare == "Null":
        return (wanted[0].lower() == "true") == (values is None)
    if values is None:
        # ForAllValues is true of nothing, and so is a negation.
        return name != bare or quantifier == "ForAllValues" or bare in _NEGATIONS
    negated = bare in _NEGATIONS
    compare = _OPERATORS[_NEGATIONS.get(bare, bare)]

    def one(value: str) -> bool:
        return any(compare(option, value) for option in wanted) != negated

    if quantifier == "ForAllValues":
        return all(one(value) for value in values)
    if quantifier == "ForAnyValue":
        return any(one(value) for value in values)
    return len(values) == 1 and one(values[0])


def _known(operator: str, sid: str) -> str:
    quantifier, _, name = operator.rpartition(":")
    bare = name.removesuffix("IfExists")
    if quantifier not in ("", "ForAllValues", "ForAnyValue") or bare not in {*_OPERATORS, *_NEGATIONS, "Null"}:
        raise PolicyError(f"{sid} has the condition operator {operator}, which is not evaluated here")
    return operator


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
