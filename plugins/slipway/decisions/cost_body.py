"""From facts to the body of a cost report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import fsum

from slipway.decisions import cost_actuals as actuals
from slipway.decisions.cost_allocation import ClusterFacts, Used, allocate
from slipway.decisions.cost_estimate import Item, cost_by_resource, estimate
from slipway.decisions.cost_explain import explain
from slipway.decisions.savings import SavingFacts, choose
from slipway.decisions.savings_compute import compute_savings
from slipway.decisions.savings_rest import rest_savings
from slipway.model.bill import AccountBill, AwsAnomaly, AwsBudget, PlatformBill
from slipway.model.cost import Allocation, CostBody, Estimate, Forecasts, Savings
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook
from slipway.model.resource import Kind, Resource


def actual_part(
    platform: Platform,
    bill: PlatformBill,
    account: AccountBill | None,
    budget: AwsBudget | None,
    today: date,
) -> CostBody:
    """What the bill says: the day, the month, the forecast, anomalies."""
    lines = bill.lines
    day = actuals.settled_day(lines, today)
    body = CostBody(
        calls=bill.calls,
        account_calls=account.calls if account else None,
        aws_anomalies=_mine(account.anomalies, platform) if account else [],
    )
    if day is None:
        return body
    so_far = actuals.month(
        lines,
        day,
        account,
        platform=platform.name,
        budget_usd=platform.environment.budget.monthly_usd,
        aws_budget=budget,
    )
    return body.model_copy(
        update={
            "day": day,
            "total": actuals.total(lines, day),
            "services": actuals.compare(lines, day, lambda line: line.service),
            "usage": actuals.usage(lines, day),
            "tags": actuals.by_tag(account, day) if account else [],
            "teams": _teams(account, platform) if account else [],
            "charges": [one for one in account.charges if one.value in (platform.name, "")] if account else [],
            "untagged": actuals.untagged(account, day) if account else None,
            "month": so_far,
            "forecast": actuals.month_forecast(lines, so_far, bill.forecast),
            "anomalies": actuals.anomalies(lines, day),
        }
    )


def _mine(found: Sequence[AwsAnomaly], platform: Platform) -> list[AwsAnomaly]:
    """Anomalies of the region, or of none: a monitor of services does not know of platforms."""
    return [one for one in found if one.region in (platform.region, "")]


def _teams(account: AccountBill, platform: Platform) -> list[tuple[str, float]]:
    mine = [
        (one.value or f"(no tag {account.tag})", actuals.usd(one.usd))
        for one in account.teams
        if one.platform == platform.name
    ]
    return sorted(mine, key=lambda one: (-one[1], one[0]))


def estimate_part(
    body: CostBody, items: Sequence[Item], book: PriceBook, spot: Mapping[str, float], bill: PlatformBill
) -> CostBody:
    """What stands there at list prices, and what it explains of the bill."""
    found = estimate(items, book, spot)
    explained = explain(bill.lines, body.day, found, book) if body.day else None
    return body.model_copy(update={"estimate": found, "explained": explained})


def allocation_part(
    estimated: Estimate,
    items: Sequence[Item],
    resources: Sequence[Resource],
    book: PriceBook,
    spot: Mapping[str, float],
    cluster: ClusterFacts,
    usage: Mapping[tuple[str, str], Used] | None,
) -> Allocation:
    """Who the estimate is for."""
    costs = cost_by_resource(items, book, spot)
    claimed = {claim.volume for claim in cluster.claims}
    disks: dict[str, list[float]] = {}
    for one in resources:
        holders = one.attributes.get("instances")
        if one.kind == Kind.VOLUME and one.id not in claimed and isinstance(holders, list) and holders:
            disks.setdefault(str(holders[0]), []).append(costs.get(one.id, 0.0))
    node_disks = {instance: fsum(parts) for instance, parts in disks.items()}
    return allocate(cluster, costs, node_disks, estimated.monthly_usd, usage)


def savings_part(facts: SavingFacts) -> Savings:
    """Savings, and the best choice of them."""
    return choose([*compute_savings(facts), *rest_savings(facts)])


def summary(body: CostBody) -> str:
    """One sentence."""
    so_far, expected = body.month, body.forecast
    if so_far is None or body.total is None:
        standing = f" What stands there costs {body.estimate.monthly_usd:.2f} USD a month." if body.estimate else ""
        return f"There is no bill to report yet.{standing}"
    text = (
        f"{body.total.usd:.2f} USD on {body.day}{_versus(body.total.change_usd)}; "
        f"{so_far.judged_usd:.2f} of {so_far.budget_usd:.2f} USD this month"
    )
    if expected.ours:
        text += f", {actuals.projected(so_far, expected):.2f} expected"
    if body.anomalies:
        text += f"; {len(body.anomalies)} anomal{'y' if len(body.anomalies) == 1 else 'ies'}"
    if body.savings.total_usd:
        text += f"; {body.savings.total_usd:.2f} USD a month could be saved"
    return text + "."


def _versus(change: float | None) -> str:
    return "" if change is None else f" ({change:+.2f} on last week)"


def verdict_of(body: CostBody) -> str:
    """Where the month stands against its budget."""
    return actuals.verdict(body.month, body.forecast or Forecasts()).value
