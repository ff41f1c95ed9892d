"""The Scale part: the newest scale report, and how busy each node group was over a week of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from slipway.decisions.scale import DEFAULT
from slipway.hooks.reports import ReportsHook
from slipway.model.platform import Platform
from slipway.model.scale import KIND, ScaleBody
from slipway.page.data import Json, header

WEEK = timedelta(days=8)
MEASURES = ("cpu_day", "memory_day", "network_day")


def scale_part(platform: Platform) -> Json:
    """Everything the Scale tab shows."""
    now = datetime.now(UTC)
    reports = ReportsHook(platform)
    report = reports.latest(KIND, ScaleBody)
    answer: Json = {"report": header(report, KIND, now), "body": None, "week": [], "limits": _limits()}
    if report is None:
        return answer
    answer["body"] = report.model_dump(mode="json")["body"]
    answer["week"] = [
        {
            "at": one.started.isoformat(),
            "groups": {
                group.name: {measure: getattr(group, measure) for measure in MEASURES} for group in one.body.groups
            },
        }
        for one in reports.history(KIND, report.started - WEEK, body=ScaleBody, limit=16)
    ]
    return answer


def _limits() -> Json:
    return {
        "cpu": DEFAULT.cpu,
        "memory": DEFAULT.memory,
        "network": DEFAULT.network,
        "pending_minutes": DEFAULT.pending.total_seconds() / 60,
    }
