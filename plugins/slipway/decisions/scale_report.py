"""A scale report as a page of Markdown."""

from __future__ import annotations

from slipway.model.report import Report
from slipway.model.scale import ScaleBody


def markdown(report: Report[ScaleBody]) -> str:
    """One page: how busy each group is, what to do, which limit comes when, which fleet would be cheapest."""
    body = report.body
    owner = "Cluster Autoscaler" if body.autoscaler else "policies.scale"
    lines = [
        f"# Size of {report.environment} in {report.region}",
        "",
        f"{report.summary}. {body.nodes:,} nodes, {body.pods:,} pods; desired sizes belong to {owner}.",
        "",
        "| node group | nodes | CPU day / week | memory day / week | network day / week | requested CPU / memory |",
        "|---|---|---|---|---|---|",
    ]
    for one in body.groups:
        lines.append(
            f"| {one.name} ({one.instance_type}) | {one.nodes} of {one.minimum}-{one.maximum} "
            f"| {_pair(one.cpu_day, one.cpu_week)} | {_pair(one.memory_day, one.memory_week)} "
            f"| {_pair(one.network_day, one.network_week)} | {one.cpu_requested:.0%} / {one.memory_requested:.0%} |"
        )
    of_what = "what metrics-server measured at one moment" if body.momentary else "their 95th percentiles"
    lines += ["", f"Means over a group's nodes of {of_what}.", ""]
    if body.recommendations:
        lines += ["| what | where | why | how | USD a month | |", "|---|---|---|---|---|---|"]
        for found in body.recommendations:
            usd = "" if found.monthly_usd is None else f"{found.monthly_usd:+,.2f}"
            lines.append(
                f"| {found.advice.value} | {found.subject} | {found.why} | {found.how} | {usd} | {found.outcome} |"
            )
        lines.append("")
    if body.forecasts:
        lines += ["| limit | of | now | at | expected | at the earliest |", "|---|---|---|---|---|---|"]
        for ahead in body.forecasts[:20]:
            lines.append(
                f"| {ahead.what} | {ahead.subject} | {ahead.now:g} | {ahead.limit:g} {ahead.unit} "
                f"| {_days(ahead.days)} | {_days(ahead.earliest)} |"
            )
        lines.append("")
    if body.fleets:
        lines += ["| pool | fleet | USD a month | requested CPU / memory |", "|---|---|---|---|"]
        for fleet in body.fleets:
            mark = " (today's type)" if fleet.current else ""
            lines.append(
                f"| {fleet.pool} | {fleet.nodes} x {fleet.instance_type}{mark} | {fleet.monthly_usd:,.2f} "
                f"| {fleet.cpu_share:.0%} / {fleet.memory_share:.0%} |"
            )
        lines.append("")
    if report.missing:
        lines += ["Could not be read:", "", *(f"- {part}" for part in report.missing), ""]
    calls = ", ".join(f"{count} {api}" for api, count in sorted(body.calls.items()))
    lines.append(f"Read with {calls or 'no'} calls in {body.seconds:.1f} s.")
    return "\n".join(lines) + "\n"


def _pair(day: float | None, week: float | None) -> str:
    return " / ".join("unknown" if value is None else f"{value:.0%}" for value in (day, week))


def _days(days: int | None) -> str:
    return "beyond 60 days" if days is None else f"in {days} days"
