"""Cost Explorer's filters, groups and periods over lines of a bill."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from rehearsal.aws.costs.bill import Line
from rehearsal.aws.errors import AwsError

METRICS = (
    "UnblendedCost",
    "BlendedCost",
    "AmortizedCost",
    "NetUnblendedCost",
    "NetAmortizedCost",
    "UsageQuantity",
    "NormalizedUsageAmount",
)


def matches(line: Line, expression: Mapping[str, Any] | None, active: Collection[str]) -> bool:
    """Whether a line passes a filter. A value that nothing has matches nothing: that is no error."""
    if not expression:
        return True
    if len(expression) != 1:
        raise AwsError("ValidationException", "Expression: exactly one operator or condition is allowed at each level")
    ((operator, operand),) = expression.items()
    if operator == "And":
        return all(matches(line, one, active) for one in operand)
    if operator == "Or":
        return any(matches(line, one, active) for one in operand)
    if operator == "Not":
        return not matches(line, operand, active)
    if operator == "Dimensions":
        return _one_of(dimension(line, operand["Key"]), operand)
    if operator == "Tags":
        return _one_of(tag(line, operand["Key"], active), operand)
    raise AwsError("ValidationException", f"The rehearsal filters by And, Or, Not, Dimensions and Tags, not {operator}")


def _one_of(value: str, operand: Mapping[str, Any]) -> bool:
    options = operand.get("MatchOptions") or ["EQUALS"]
    if "ABSENT" in options:
        return not value
    wanted = operand.get("Values") or []
    if "STARTS_WITH" in options:
        return any(value.startswith(one) for one in wanted)
    return value in wanted


def dimension(line: Line, key: str) -> str:
    """A dimension's value of a line."""
    values = {
        "SERVICE": line.service,
        "USAGE_TYPE": line.usage_type,
        "REGION": line.region,
        "RECORD_TYPE": line.record_type,
        "LINKED_ACCOUNT": "123456789012",
    }
    if key not in values:
        raise AwsError("ValidationException", f"The rehearsal has no dimension {key}; it has {', '.join(values)}")
    return values[key]


def tag(line: Line, key: str, active: Collection[str]) -> str:
    """A tag's value of a line, empty when it has none or the tag is not active."""
    return line.tags.get(key, "") if key in active else ""


def results(
    lines: Iterable[Line],
    *,
    start: date,
    end: date,
    granularity: str,
    metrics: list[str],
    groups: list[Mapping[str, str]],
    active: Collection[str],
) -> list[dict[str, Any]]:
    """``ResultsByTime``; ``Total`` is empty when there are groups."""
    periods = list(_periods(start, end, granularity))
    sums: dict[date, dict[tuple[str, ...], list[Line]]] = {first: {} for first, _ in periods}
    for line in lines:
        first = next(begin for begin, after in periods if begin <= line.day < after)
        sums[first].setdefault(_keys(line, groups, active), []).append(line)
    found = []
    for first, after in periods:
        rows = sums[first]
        made: dict[str, Any] = {
            "TimePeriod": {"Start": first.isoformat(), "End": after.isoformat()},
            "Total": {} if groups else _amounts(rows.get((), []), metrics),
            "Groups": [{"Keys": list(keys), "Metrics": _amounts(some, metrics)} for keys, some in sorted(rows.items())]
            if groups
            else [],
            "Estimated": True,
        }
        found.append(made)
    return found


def _periods(start: date, end: date, granularity: str) -> Iterable[tuple[date, date]]:
    first = start
    while first < end:
        if granularity == "MONTHLY":
            after = min(end, (first.replace(day=1) + timedelta(days=32)).replace(day=1))
        else:
            after = first + timedelta(days=1)
        yield first, after
        first = after


def _keys(line: Line, groups: list[Mapping[str, str]], active: Collection[str]) -> tuple[str, ...]:
    return tuple(
        f"{one['Key']}${tag(line, one['Key'], active)}" if one["Type"] == "TAG" else dimension(line, one["Key"])
        for one in groups
    )


def _amounts(lines: list[Line], metrics: list[str]) -> dict[str, dict[str, str]]:
    found = {}
    for metric in metrics:
        if metric in ("UsageQuantity", "NormalizedUsageAmount"):
            units = {line.unit for line in lines if line.unit}
            amount = sum(line.quantity for line in lines)
            # Quantities of different units are added up all the same, under no unit.
            found[metric] = {"Amount": f"{amount:.10f}", "Unit": units.pop() if len(units) == 1 else "N/A"}
        else:
            found[metric] = {"Amount": f"{sum(line.usd for line in lines):.10f}", "Unit": "USD"}
    return found
