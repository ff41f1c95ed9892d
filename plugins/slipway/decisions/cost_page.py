"""The report as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slipway.decisions.cost_actuals import projected
from slipway.model.cost import Compared, CostBody, Forecast, How
from slipway.model.report import Report

ROWS = 12


def page(report: Report[CostBody]) -> str:
    """One page: what was spent, what is to come, what is odd, what explains it, what could be saved."""
    body = report.body
    parts = [
        f"# Cost of {report.environment} in {report.region}",
        f"**{report.verdict}**: {report.summary}",
        *_month(body),
        *_day(body),
        *_anomalies(body),
        *_estimate(body),
        *_allocation(body),
        *_savings(body),
        *_missing(report),
        _foot(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _usd(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _change(one: Compared) -> str:
    return "" if one.change_usd is None else f"{one.change_usd:+,.2f}"


def _month(body: CostBody) -> list[str]:
    so_far = body.month
    if so_far is None:
        return []
    rows = [
        ("spent, this region", _usd(so_far.gross_usd), f"{so_far.days} of {so_far.days_in_month} days"),
        ("spent, environment", _usd(so_far.environment_usd), "all its regions, which the budget is for"),
        ("credits", _usd(so_far.credits_usd), "of the environment"),
        ("refunds", _usd(so_far.refunds_usd), "of the environment"),
        ("net", _usd(so_far.net_usd), "before tax"),
        ("budget", _usd(so_far.budget_usd), f"{so_far.budget_share:.0%} spent, {so_far.time_share:.0%} of the month"),
        ("after that day", _usd(so_far.preliminary_usd), "not whole yet, not counted"),
    ]
    expected = [
        _forecast_row("forecast, ours", body.forecast.ours),
        _forecast_row("forecast, Cost Explorer", body.forecast.aws),
    ]
    if body.forecast.ours:
        whole = _usd(projected(so_far, body.forecast))
        expected.append(("against the budget", whole, "ours, with the environment's other regions"))
    shown = [row for row in [*rows, *expected] if row and row[1]]
    return [f"## {so_far.first:%B %Y}, through {so_far.through}", _table(("", "USD", ""), shown)]


def _forecast_row(name: str, one: Forecast | None) -> tuple[str, str, str] | None:
    if one is None:
        return None
    text = f"{_usd(one.low_usd)} to {_usd(one.high_usd)} in {one.level} of 100 cases; {one.method}"
    if one.skill:
        text += f", off by {one.skill.error:.1f} % a week on held-out days (naive {one.skill.naive_error:.1f} %)"
    return name, _usd(one.usd), text + (f"; {one.note}" if one.note else "")


def _day(body: CostBody) -> list[str]:
    if body.day is None or body.total is None:
        return []
    header = ("", "USD", "on last week")
    services = [(one.name, _usd(one.usd), _change(one)) for one in [body.total, *body.services][: ROWS + 1]]
    usage = [(one.name, _usd(one.usd), _change(one)) for one in body.usage[:ROWS]]
    parts = [f"## {body.day}", _table(header, services), _table(("usage", "USD", "on last week"), usage)]
    if body.untagged is not None:
        most = ", ".join(f"{name} {usd:.2f}" for name, usd in body.untagged.services[:3])
        parts.append(
            f"Of the account's cost that day {body.untagged.share:.0%}, {body.untagged.usd:.2f} USD, carries no "
            f"platform's tag{': ' + most if most else ''}."
        )
    if body.teams:
        parts.append("This month by team: " + ", ".join(f"{name} {usd:.2f}" for name, usd in body.teams) + ".")
    return parts


def _anomalies(body: CostBody) -> list[str]:
    rows = [
        (
            str(one.day),
            one.service,
            one.kind.value,
            _usd(one.usd),
            _usd(one.expected_usd),
            "; ".join(f"{name} {usd:+.2f}" for name, usd in one.drivers),
        )
        for one in body.anomalies
    ]
    parts = []
    if rows:
        parts = ["## Anomalies", _table(("day", "service", "", "USD", "usual", "moved most"), rows)]
    if body.aws_anomalies:
        said = "; ".join(f"{one.first} {one.usage_type or one.service} {one.usd:+.2f}" for one in body.aws_anomalies)
        parts.append(f"AWS Cost Anomaly Detection, whole account: {said}.")
    return parts


def _estimate(body: CostBody) -> list[str]:
    if body.estimate is None:
        return []
    rows = [(f"{one.number} x {one.what}", _usd(one.monthly_usd) or "no price") for one in body.estimate.lines[:ROWS]]
    parts = [
        "## What stands there",
        f"{_usd(body.estimate.monthly_usd)} USD a month at list prices ({body.estimate.source}), without usage.",
        _table(("", "USD a month"), rows),
    ]
    if body.explained is not None:
        unknown = [
            f"{one.name} {one.billed_usd:.2f}{f' ({one.note})' if one.note else ''}"
            for one in body.explained.lines
            if one.how is How.NOTHING and one.billed_usd >= 0.005
        ]
        parts.append(
            f"It and metered quantities explain {body.explained.share:.0%} of {body.explained.day}'s bill"
            + (f"; not explained: {'; '.join(unknown)}." if unknown else ".")
        )
    return parts


def _allocation(body: CostBody) -> list[str]:
    found = body.allocation
    if found is None:
        return []
    rows = [(one.name, str(one.pods), _usd(one.usd)) for one in found.components[:ROWS]]
    rest = found.components[ROWS:]
    if rest:
        rows.append(("the others", str(sum(one.pods for one in rest)), _usd(sum(one.usd for one in rest))))
    rows += [
        ("*idle: capacity nobody asked for*", "", _usd(found.idle_usd)),
        ("*shared: control plane, network, keys*", "", _usd(found.shared_usd)),
    ]
    teams = ", ".join(f"{one.name} {one.usd:.2f}" for one in found.teams)
    return [f"## By component, from {found.basis}", _table(("", "pods", "USD a month"), rows), f"By team: {teams}."]


def _savings(body: CostBody) -> list[str]:
    found = body.savings
    if not found.items:
        return []
    rows = [
        (
            f"{'' if one.counted else '('}{_usd(one.monthly_usd)}{'' if one.counted else ')'}",
            one.title,
            one.confidence.value,
            one.breaks,
            f"`{one.change}`",
        )
        for one in found.items
    ]
    return [
        "## Savings",
        f"{_usd(found.total_usd)} USD a month together. Those in brackets work on the same cost as others and are not "
        "added up.",
        _table(("USD a month", "", "confidence", "what it costs otherwise", "change"), rows),
    ]


def _missing(report: Report[CostBody]) -> list[str]:
    if not report.missing:
        return []
    return ["## Missing", "\n".join(f"- {one}" for one in report.missing)]


def _foot(report: Report[CostBody]) -> str:
    calls = report.body.calls
    text = (
        f"Cost Explorer was asked {calls.made} times for this platform ({calls.usd:.2f} USD, at most {calls.allowed})"
    )
    shared = report.body.account_calls
    if shared is not None:
        text += f" and {shared.made} times for all of the account's together ({shared.usd:.2f} USD)"
    return f"{text}. Run {report.run_id}, {report.started:%Y-%m-%d %H:%M} UTC."
