"""What the bill says of a day and of the month: sums, comparisons, anomalies, forecast."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from math import fsum

from slipway.decisions import anomaly, forecast
from slipway.decisions.usage_types import understand
from slipway.model.bill import AccountBill, AwsBudget, AwsForecast, BillLine
from slipway.model.cost import (
    Anomaly,
    AnomalyKind,
    Compared,
    CostVerdict,
    Forecast,
    Forecasts,
    Month,
    Skill,
    Untagged,
    UsageCost,
)

# Cost Explorer has a day whole about a day after it ended.
LAG_DAYS = 2
WEEK = timedelta(days=7)
ANOMALY_DAYS = 7
_CREDITS = frozenset({"Credit", "EdpDiscount", "BundledDiscount", "PrivateRateDiscount"})
_DIGITS = 4


def newest_whole_day(today: date) -> date:
    """The newest day that the bill should have whole."""
    return today - timedelta(days=LAG_DAYS)


def settled_day(lines: Iterable[BillLine], today: date) -> date | None:
    """The newest day that the bill has whole; ``None`` when it has none."""
    return max((line.day for line in lines if line.day <= newest_whole_day(today)), default=None)


def usd(value: float) -> float:
    """USD as reports have it."""
    return round(value, _DIGITS)


def daily(lines: Iterable[BillLine], through: date, service: str | None = None) -> tuple[date | None, list[float]]:
    """Cost of every day from the first with a line to ``through``; days without lines cost nothing.

    :returns: the first day, ``None`` when there is no line, and the values.
    """
    sums: dict[date, list[float]] = defaultdict(list)
    for line in lines:
        if line.day <= through and service in (None, line.service):
            sums[line.day].append(line.usd)
    if not sums:
        return None, []
    first = min(sums)
    days = (through - first).days + 1
    return first, [fsum(sums.get(first + timedelta(days=day), ())) for day in range(days)]


def compare(lines: Sequence[BillLine], day: date, name: Callable[[BillLine], str]) -> list[Compared]:
    """Cost of a day by some name, against the same day last week, the dearest first."""
    now, then = _sums(lines, day, name), _sums(lines, day - WEEK, name)
    known = _reaches(lines, day - WEEK)
    found = [
        Compared(name=one, usd=usd(now.get(one, 0.0)), last_week_usd=usd(then.get(one, 0.0)) if known else None)
        for one in {*now, *then}
    ]
    return sorted(found, key=lambda one: (-one.usd, one.name))


def total(lines: Sequence[BillLine], day: date) -> Compared:
    """Cost of the whole day against the same day last week."""
    found = compare(lines, day, lambda _: "total")
    return found[0] if found else Compared(name="total", usd=0.0, last_week_usd=None)


def usage(lines: Sequence[BillLine], day: date) -> list[UsageCost]:
    """Cost of a day by usage type, named, against the same day last week, the dearest first."""
    key = _usage_key
    rows: dict[str, BillLine] = {key(line): line for line in lines if line.day in (day, day - WEEK)}
    quantities = _sums(lines, day, key, quantity=True)
    found = []
    for one in compare(lines, day, key):
        line = rows[one.name]
        found.append(
            UsageCost(
                name=understand(line.service, line.usage_type).name,
                usd=one.usd,
                last_week_usd=one.last_week_usd,
                service=line.service,
                usage_type=line.usage_type,
                quantity=usd(quantities.get(one.name, 0.0)),
                unit=line.unit,
            )
        )
    return found


def _usage_key(line: BillLine) -> str:
    return f"{line.service}\n{line.usage_type}"


def _sums(
    lines: Iterable[BillLine], day: date, name: Callable[[BillLine], str], *, quantity: bool = False
) -> dict[str, float]:
    parts: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line.day == day:
            parts[name(line)].append(line.quantity if quantity else line.usd)
    return {key: fsum(values) for key, values in parts.items()}


def _reaches(lines: Iterable[BillLine], day: date) -> bool:
    return any(line.day <= day for line in lines)


def month(
    lines: Sequence[BillLine],
    day: date,
    account: AccountBill | None,
    *,
    platform: str,
    budget_usd: float,
    aws_budget: AwsBudget | None,
) -> Month:
    """The month of ``day`` through ``day``.

    :param account: for what only the whole account's bill tells; ``None`` when it could not be read.
    """
    first = day.replace(day=1)
    gross = fsum(line.usd for line in lines if first <= line.day <= day)
    later = fsum(line.usd for line in lines if line.day > day)
    environment = credits_ = refunds = tax = None
    if account is not None and account.platforms:
        environment = usd(
            fsum(one.usd for one in account.platforms if one.value == platform and first <= one.day <= day)
        )
    if account is not None and account.charges:
        mine = [one for one in account.charges if one.value == platform]
        credits_ = usd(fsum(one.usd for one in mine if one.record_type in _CREDITS))
        refunds = usd(fsum(one.usd for one in mine if one.record_type == "Refund"))
        tax = usd(fsum(one.usd for one in mine if one.record_type == "Tax"))
    return Month(
        first=first,
        through=day,
        days=day.day,
        days_in_month=calendar.monthrange(day.year, day.month)[1],
        gross_usd=usd(gross),
        preliminary_usd=usd(later),
        environment_usd=environment,
        credits_usd=credits_,
        refunds_usd=refunds,
        tax_usd=tax,
        budget_usd=budget_usd,
        aws_budget=aws_budget,
    )


def month_forecast(lines: Sequence[BillLine], so_far: Month, aws: AwsForecast | None) -> Forecasts:
    """What the month will cost in all: by our own forecast, and by Cost Explorer's of its rest."""
    rest = so_far.days_in_month - so_far.days
    _, history = daily(lines, so_far.through)
    if not history:
        return Forecasts(aws_rest=aws)
    return Forecasts(
        ours=_ours(history, so_far, rest), aws=_theirs(history, so_far, aws) if aws and rest else None, aws_rest=aws
    )


def _ours(history: Sequence[float], so_far: Month, rest: int) -> Forecast:
    if rest == 0:
        done = so_far.gross_usd
        return Forecast(method="none", usd=done, low_usd=done, high_usd=done, note="the month is over")
    found = forecast.outlook(history, rest)
    naive, own = found.error(forecast.NAIVE), found.error(found.method)
    skill, note = None, ""
    if naive is None or own is None:
        note = f"{len(history)} days of history are too few to try methods on; the interval is a rule of thumb"
    else:
        skill = Skill(
            method=found.method,
            error=_percent(own, history, rest),
            naive_error=_percent(naive, history, rest),
            tests=found.origins,
        )
        if not skill.better:
            note = "no method did better on held-out days than repeating the last week"
    return Forecast(
        method=found.method,
        usd=usd(so_far.gross_usd + found.total),
        low_usd=usd(so_far.gross_usd + found.low),
        high_usd=usd(so_far.gross_usd + found.high),
        level=found.level,
        skill=skill,
        note=note,
    )


def _percent(error: float, history: Sequence[float], rest: int) -> float:
    """Error of a week's sum in percent of the usual week's."""
    days = min(forecast.SEASON, rest)
    tested = history[forecast.SHORTEST :] or history
    usual = fsum(tested) / len(tested) * days
    return round(100 * error / usual, 2) if usual else 0.0


def _theirs(history: Sequence[float], so_far: Month, aws: AwsForecast) -> Forecast | None:
    """Cost Explorer's forecast begins today: the days since the last whole one are filled with the last week's mean."""
    month_end = so_far.first.replace(day=so_far.days_in_month)
    if aws.first > month_end or aws.last != month_end:
        return None
    gap = (aws.first - so_far.through).days - 1
    week = history[-7:]
    known = so_far.gross_usd + gap * fsum(week) / len(week)
    return Forecast(
        method="AWS Cost Explorer",
        usd=usd(known + aws.usd),
        low_usd=usd(known + aws.low_usd),
        high_usd=usd(known + aws.high_usd),
        level=aws.level,
        note=f"{gap} days that the bill lacks are taken at the last week's mean" if gap else "",
    )


def anomalies(lines: Sequence[BillLine], day: date, sensitivity: anomaly.Sensitivity | None = None) -> list[Anomaly]:
    """Odd days of the last week by service, newest and dearest first, with the usage types that moved most."""
    found = []
    for service in sorted({line.service for line in lines}):
        first, values = daily(lines, day, service)
        if first is None:
            continue
        # A service that appeared since has no history: it began with nothing.
        whole, _ = daily(lines, day)
        lead = (first - whole).days if whole else 0
        values = [0.0] * lead + values
        for odd in anomaly.find(values, ANOMALY_DAYS, sensitivity):
            when = day - timedelta(days=len(values) - 1 - odd.position)
            found.append(
                Anomaly(
                    day=when,
                    service=service,
                    kind=AnomalyKind.SPIKE if odd.excess > 0 else AnomalyKind.DROP,
                    usd=usd(odd.value),
                    expected_usd=usd(odd.expected),
                    score=round(odd.score, 1),
                    drivers=_drivers(lines, when, service),
                )
            )
    return sorted(found, key=lambda one: (one.day, abs(one.usd - one.expected_usd)), reverse=True)


def _drivers(lines: Sequence[BillLine], day: date, service: str) -> list[tuple[str, float]]:
    """What moved most since the same day last week, within a service."""
    mine = [line for line in lines if line.service == service]
    moved = [
        (one.name, one.change_usd)
        for one in compare(mine, day, lambda line: understand(line.service, line.usage_type).name)
        if one.change_usd
    ]
    return sorted(moved, key=lambda one: -abs(one[1]))[:3]


def untagged(account: AccountBill, day: date) -> Untagged | None:
    """Cost of a day that carries no platform's tag; ``None`` when the account's bill does not have the day."""
    lines = [one for one in account.platforms if one.day == day]
    if not lines:
        return None
    loose: dict[str, list[float]] = defaultdict(list)
    for one in lines:
        if not one.value:
            loose[one.service].append(one.usd)
    services = sorted(((name, usd(fsum(parts))) for name, parts in loose.items()), key=lambda one: (-one[1], one[0]))
    return Untagged(
        usd=usd(fsum(one.usd for one in lines if not one.value)),
        tagged_usd=usd(fsum(one.usd for one in lines if one.value)),
        services=[one for one in services if one[1]],
    )


def by_tag(account: AccountBill, day: date) -> list[Compared]:
    """Cost of a day by value of the platform's tag, against the same day last week."""
    lines = [
        BillLine(day=one.day, service=one.service, usage_type=one.value or "(no tag)", usd=one.usd)
        for one in account.platforms
    ]
    return compare(lines, day, lambda line: line.usage_type)


def verdict(so_far: Month | None, expected: Forecasts) -> CostVerdict:
    """Where the month stands. The forecast is scaled to the environment when the budget is for more regions."""
    if so_far is None:
        return CostVerdict.UNKNOWN
    if so_far.judged_usd > so_far.budget_usd:
        return CostVerdict.OVER
    return CostVerdict.FORECAST_OVER if projected(so_far, expected) > so_far.budget_usd else CostVerdict.WITHIN


def projected(so_far: Month, expected: Forecasts) -> float:
    """Cost of the month that the budget is compared with: of the environment, other regions going on as they did."""
    own = expected.ours.usd if expected.ours else so_far.gross_usd / so_far.time_share
    others = max(0.0, so_far.judged_usd - so_far.gross_usd)
    return own + others / so_far.time_share
