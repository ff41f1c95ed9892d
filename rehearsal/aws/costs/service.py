"""The operations of Cost Explorer that read costs, forecasts, anomalies and cost allocation tags."""

from __future__ import annotations

import copy
import hashlib
import math
import sys
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

from moto.core.utils import get_service_model

from rehearsal.aws.costs.bill import Bill, Line, shipped_scenario
from rehearsal.aws.costs.query import METRICS, matches, results
from rehearsal.aws.costs.standing import OTHER, standing
from rehearsal.aws.eks.state import Eks
from rehearsal.aws.errors import AwsError
from rehearsal.aws.protocol import Call, ModelledService, handlers_of

# Groups of all periods that fit into one page.
PAGE = 5000
# Days of history below which there is no forecast.
LEAST_HISTORY = 14


class Costs:
    """Cost Explorer's state: the scenario of the bill, which a rehearsal may change.

    :ivar scenario: see ``data/scenario.yaml``.
    """

    def __init__(self, eks: Eks) -> None:
        self.eks = eks
        self.scenario: dict[str, Any] = copy.deepcopy(shipped_scenario())

    def reset(self) -> None:
        """Go back to the shipped scenario."""
        self.scenario = copy.deepcopy(shipped_scenario())

    def bill(self) -> Bill:
        """The bill as it is known now."""
        now = datetime.now(UTC)
        return Bill(self.scenario, list(standing(self.eks, now)), now)

    @property
    def active(self) -> Collection[str]:
        """Tags that are active for cost allocation."""
        return set(self.scenario["active_tags"])


def service(costs: Costs) -> ModelledService:
    """The service's operations."""
    handlers = handlers_of([sys.modules[__name__]], get_service_model("ce").operation_names, costs)
    return ModelledService("ce", handlers, "ValidationException")


def get_cost_and_usage(costs: Costs, call: Call) -> dict[str, Any]:
    """Cost and usage by period and up to two groups."""
    start, end = _period(call)
    groups = call.get("GroupBy", [])
    if len(groups) > 2:
        raise AwsError("ValidationException", f"GroupBy has {len(groups)} entries; at most 2 are allowed")
    unknown = [metric for metric in call["Metrics"] if metric not in METRICS]
    if unknown:
        raise AwsError("ValidationException", f"Metrics has {unknown[0]!r}; allowed are {', '.join(METRICS)}")
    if call["Granularity"] not in ("DAILY", "MONTHLY"):
        raise AwsError("ValidationException", "Granularity: the rehearsal has DAILY and MONTHLY")
    found = results(
        _lines(costs, call, start, end),
        start=start,
        end=end,
        granularity=call["Granularity"],
        metrics=call["Metrics"],
        groups=groups,
        active=costs.active,
    )
    shown, token = _page(found, call.get("NextPageToken"))
    more = {"NextPageToken": token} if token else {}
    return {"GroupDefinitions": groups, "ResultsByTime": shown, "DimensionValueAttributes": [], **more}


def get_cost_forecast(costs: Costs, call: Call) -> dict[str, Any]:
    """The mean of the last four of each weekday, and an interval that widens with the days."""
    start, end = _period(call)
    today = datetime.now(UTC).date()
    if start < today:
        raise AwsError("ValidationException", f"TimePeriod.Start is {start}; forecasts begin at {today} or later")
    first = today - timedelta(days=30)
    history = [line for line in _lines(costs, call, first, today - timedelta(days=1)) if line.record_type == "Usage"]
    if len({line.day for line in history}) < LEAST_HISTORY:
        raise AwsError("DataUnavailableException", "Insufficient amount of historical data to generate forecast")
    level = int(call.get("PredictionIntervalLevel", 80))
    reach = {80: 1.2816, 95: 1.96}.get(level, 1.2816 * level / 80)
    days = [start + timedelta(days=offset) for offset in range((end - start).days)]
    means = [_mean(history, day.weekday()) for day in days]
    rows, total = [], sum(means)
    for period, some in _forecast_periods(days, means, call["Granularity"]):
        mean = sum(some)
        width = reach * 0.05 * mean / math.sqrt(max(1, len(some)) / 4)
        rows.append(
            {
                "TimePeriod": {"Start": period[0].isoformat(), "End": (period[-1] + timedelta(days=1)).isoformat()},
                "MeanValue": f"{mean:.10f}",
                "PredictionIntervalLowerBound": f"{max(0.0, mean - width):.10f}",
                "PredictionIntervalUpperBound": f"{mean + width:.10f}",
            }
        )
    return {"Total": {"Amount": f"{total:.10f}", "Unit": "USD"}, "ForecastResultsByTime": rows}


def get_anomalies(costs: Costs, call: Call) -> dict[str, Any]:
    """What Cost Anomaly Detection found: the scenario's anomalies, when there is a monitor."""
    window = call["DateInterval"]
    start = date.fromisoformat(window["StartDate"][:10])
    end = date.fromisoformat(window.get("EndDate", datetime.now(UTC).date().isoformat())[:10])
    if not costs.scenario["detection"]:
        return {"Anomalies": []}
    bill = costs.bill()
    found = []
    for one in bill.anomalies():
        lines = [line for line in bill.lines(one["first"], one["last"] + timedelta(days=1)) if _is(line, one)]
        actual = sum(line.usd for line in lines)
        # A day after it appeared on the bill.
        if not (start <= one["first"] <= end) or not lines or bill.today <= one["last"] + timedelta(days=2):
            continue
        found.append(_anomaly(call, one, lines[0], actual))
    return {"Anomalies": found}


def list_cost_allocation_tags(costs: Costs, call: Call) -> dict[str, Any]:
    """Tags that may divide costs, with their status."""
    active = costs.active
    rows = [{"TagKey": key, "Type": "UserDefined", "Status": "Active"} for key in sorted(active)]
    seen = {key for line in costs.bill().lines(*_recent()) for key in line.tags if not key.startswith("aws:")}
    rows += [{"TagKey": key, "Type": "UserDefined", "Status": "Inactive"} for key in sorted(seen - set(active))]
    keys, status = call.get("TagKeys"), call.get("Status")
    shown = [row for row in rows if (not keys or row["TagKey"] in keys) and status in (None, row["Status"])]
    return {"CostAllocationTags": shown}


def update_cost_allocation_tags_status(costs: Costs, call: Call) -> dict[str, Any]:
    """Make tags active or inactive; on AWS it takes a day until the bill knows."""
    active = set(costs.active)
    for one in call["CostAllocationTagsStatus"]:
        (active.add if one["Status"] == "Active" else active.discard)(one["TagKey"])
    costs.scenario["active_tags"] = sorted(active)
    return {"Errors": []}


def _recent() -> tuple[date, date]:
    today = datetime.now(UTC).date()
    return today - timedelta(days=3), today


def _is(line: Line, anomaly: dict[str, Any]) -> bool:
    return line.usage_type.endswith(anomaly["usage_type"]) and line.record_type == "Usage"


def _anomaly(call: Call, one: dict[str, Any], line: Line, actual: float) -> dict[str, Any]:
    expected = actual / float(one["factor"])
    name = hashlib.sha256(f"{one['usage_type']}{one['first']}".encode()).hexdigest()[:36]
    return {
        "AnomalyId": name,
        "AnomalyStartDate": f"{one['first']}T00:00:00Z",
        "AnomalyEndDate": f"{one['last']}T00:00:00Z",
        "DimensionValue": line.service,
        "RootCauses": [
            {
                "Service": line.service if line.service != OTHER else "Amazon Elastic Compute Cloud - Compute",
                "Region": line.region,
                "LinkedAccount": call.caller.account,
                "UsageType": line.usage_type,
            }
        ],
        "AnomalyScore": {"MaxScore": 0.93, "CurrentScore": 0.93},
        "Impact": {
            "MaxImpact": round(actual - expected, 4),
            "TotalImpact": round(actual - expected, 4),
            "TotalActualSpend": round(actual, 4),
            "TotalExpectedSpend": round(expected, 4),
            "TotalImpactPercentage": round(100 * (actual - expected) / expected, 2),
        },
        "MonitorArn": f"arn:aws:ce::{call.caller.account}:anomalymonitor/{name[:8]}-0000-0000-0000-000000000000",
    }


def _lines(costs: Costs, call: Call, start: date, end: date) -> list[Line]:
    expression, active = call.get("Filter"), costs.active
    return [line for line in costs.bill().lines(start, end) if matches(line, expression, active)]


def _period(call: Call) -> tuple[date, date]:
    start, end = (date.fromisoformat(call["TimePeriod"][name]) for name in ("Start", "End"))
    if start >= end:
        raise AwsError("ValidationException", f"Start date (and hour) should be before end date: {start}, {end}")
    return start, end


def _mean(history: list[Line], weekday: int) -> float:
    days = {line.day for line in history if line.day.weekday() == weekday}
    return sum(line.usd for line in history if line.day in days) / len(days) if days else 0.0


def _forecast_periods(days: list[date], means: list[float], granularity: str) -> list[tuple[list[date], list[float]]]:
    if granularity == "DAILY":
        return [([day], [mean]) for day, mean in zip(days, means, strict=True)]
    found: dict[tuple[int, int], tuple[list[date], list[float]]] = {}
    for day, mean in zip(days, means, strict=True):
        period, some = found.setdefault((day.year, day.month), ([], []))
        period.append(day)
        some.append(mean)
    return list(found.values())


def _page(found: list[dict[str, Any]], token: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """Whole periods until a page is full."""
    begin = int(token) if token and token.isdigit() else 0
    rows, index = 0, begin
    while index < len(found) and (index == begin or rows + len(found[index]["Groups"]) <= PAGE):
        rows += len(found[index]["Groups"])
        index += 1
    return found[begin:index], str(index) if index < len(found) else None
