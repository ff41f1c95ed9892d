"""The Cost part: the newest cost report, and sixty days by service from the bill kept beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from slipway.hooks.reports import ReportsHook
from slipway.model.bill import PlatformBill
from slipway.model.cost import CostBody
from slipway.model.platform import Platform
from slipway.model.report import Report, prefix
from slipway.page.data import Json, header

KIND = "cost"
DAYS = 60
# More colours than these nobody tells apart.
SERVICES = 8
OTHERS = "Others"
MOST_LINES = 200

# Usage of one day: day, service, USD.
Row = tuple[date, str, float]


def cost_part(platform: Platform) -> Json:
    """Everything the Cost tab shows."""
    now = datetime.now(UTC)
    reports = ReportsHook(platform)
    report = reports.latest(KIND, CostBody)
    answer: Json = {"report": header(report, KIND, now), "body": None, "daily": None}
    if report is None:
        return answer
    body = report.model_dump(mode="json")["body"]
    if body.get("explained"):
        body["explained"]["lines"] = body["explained"]["lines"][:MOST_LINES]
    answer["body"] = body
    until = report.body.day or report.started.date()
    answer["daily"] = daily(_rows(reports, platform, report), until)
    return answer


def daily(rows: Iterable[Row], until: date, days: int = DAYS, most: int = SERVICES) -> Json:
    """USD by day and service: the dearest services apart, the others together, days without a bill as null.

    :param until: last day that is shown.
    """
    first = until - timedelta(days=days - 1)
    by_service: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for day, service, usd in rows:
        if first <= day <= until:
            by_service[service][day] += usd
    known = {day for found in by_service.values() for day in found}
    ranked = sorted(by_service, key=lambda name: (-sum(by_service[name].values()), name))
    named, rest = ranked[:most], ranked[most:]
    axis = [first + timedelta(days=offset) for offset in range(days)]
    series = [{"name": name, "usd": _values(axis, known, [by_service[name]])} for name in named]
    if rest:
        series.append({"name": OTHERS, "usd": _values(axis, known, [by_service[name] for name in rest])})
    return {"days": [day.isoformat() for day in axis], "series": series}


def _values(axis: list[date], known: set[date], found: list[Mapping[date, float]]) -> list[float | None]:
    return [round(sum(one.get(day, 0.0) for one in found), 4) if day in known else None for day in axis]


def _rows(reports: ReportsHook, platform: Platform, report: Report[CostBody]) -> list[Row]:
    kept = _bill(reports, platform, report)
    if kept is not None:
        return [(line.day, line.service, line.usd) for line in kept.lines]
    # Without the bill, each night's report knows its own day.
    found: list[Row] = []
    for one in reports.history(KIND, report.started - timedelta(days=DAYS + 3), body=CostBody, limit=DAYS + 3):
        if one.body.day is not None:
            found += [(one.body.day, service.name, service.usd) for service in one.body.services]
    return found


def _bill(reports: ReportsHook, platform: Platform, report: Report[Any]) -> PlatformBill | None:
    day = report.started.astimezone(UTC).date()
    keys = reports.records.list(prefix(platform.environment.name, platform.region, "bill-usage", day))
    if not keys:
        return None
    try:
        return PlatformBill.model_validate(reports.records.get_json(keys[-1]))
    except ValidationError:
        return None
