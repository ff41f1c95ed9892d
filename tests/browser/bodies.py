"""Bodies of cost and scale reports as the nightly DAGs write them, of one piece with the environment they are of."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta

from slipway.model import cost as money
from slipway.model import scale as sizes
from slipway.model.bill import AwsAnomaly, BillLine, CallCount
from slipway.model.platform import Platform

# USD a day of a platform that costs one USD: shares of its bill.
SERVICES = {
    "Amazon Elastic Compute Cloud - Compute": 0.46,
    "Amazon Elastic Container Service for Kubernetes": 0.18,
    "EC2 - Other": 0.17,
    "AmazonCloudWatch": 0.11,
    "Amazon Virtual Private Cloud": 0.03,
    "Amazon Simple Storage Service": 0.02,
    "AWS Secrets Manager": 0.013,
    "AWS Key Management Service": 0.01,
    "AWS CloudTrail": 0.005,
    "Amazon Route 53": 0.002,
}
COMPUTE, VOLUMES = "Amazon Elastic Compute Cloud - Compute", "EC2 - Other"
SPIKE_DAYS_AGO = 17
SPIKE = 3.6
# Shares of the compute that somebody asked for.
COMPONENTS = (
    ("kafka", 3, 0.20),
    ("spark", 4, 0.17),
    ("hdfs", 4, 0.15),
    ("prometheus", 2, 0.12),
    ("mongodb", 3, 0.10),
    ("airflow", 4, 0.09),
    ("mysql", 1, 0.05),
    ("grafana", 1, 0.03),
)
TEAMS = (("data", 15, 0.58), ("platform", 12, 0.26), ("applications", 6, 0.16))
IDLE, SHARED = 0.22, 0.31


def per_day(platform: Platform) -> float:
    """USD: a little more than the budget lasts for."""
    return platform.environment.budget.monthly_usd * 1.02 / 30


def bill(platform: Platform, day: date, days: int = 70) -> list[BillLine]:
    """Cost by day and service, with a week's rhythm and one spike."""
    dice = random.Random(7)
    found = []
    for offset in range(days, -1, -1):
        at = day - timedelta(days=offset)
        for service, share in SERVICES.items():
            rhythm = 1 + 0.06 * math.sin(2 * math.pi * at.toordinal() / 7) + dice.uniform(-0.02, 0.02)
            spike = SPIKE if offset == SPIKE_DAYS_AGO and service == VOLUMES else 1.0
            usd = round(per_day(platform) * share * rhythm * spike, 4)
            found.append(BillLine(day=at, service=service, usage_type=service, usd=usd, quantity=24.0))
    return found


def cost(platform: Platform, lines: list[BillLine], day: date, text: str = "") -> money.CostBody:
    """The report on a bill: a month that will go a little over its budget."""
    budget = platform.environment.budget.monthly_usd
    daily = {at: sum(line.usd for line in lines if line.day == at) for at in {line.day for line in lines}}
    first = day.replace(day=1)
    days_in_month = ((first + timedelta(days=32)).replace(day=1) - first).days
    spent = round(sum(usd for at, usd in daily.items() if first <= at <= day), 2)
    left = (days_in_month - day.day) * per_day(platform)
    expected = round(spent + left, 2)
    today, week_ago = round(daily[day], 2), round(daily[day - timedelta(days=7)], 2)
    monthly = round(per_day(platform) * 30, 2)
    usual = per_day(platform) * SERVICES[VOLUMES]
    return money.CostBody(
        day=day,
        total=money.Compared(name="all", usd=today, last_week_usd=week_ago),
        services=[
            money.Compared(name=line.service, usd=line.usd, last_week_usd=line.usd) for line in lines if line.day == day
        ],
        month=money.Month(
            first=first,
            through=day,
            days=day.day,
            days_in_month=days_in_month,
            gross_usd=spent,
            preliminary_usd=round(0.6 * today, 2),
            environment_usd=spent,
            credits_usd=0.0,
            refunds_usd=0.0,
            tax_usd=0.0,
            budget_usd=budget,
        ),
        forecast=money.Forecasts(
            ours=money.Forecast(
                method="weekday medians with drift",
                usd=expected,
                low_usd=round(spent + 0.9 * left, 2),
                high_usd=round(spent + 1.14 * left, 2),
                skill=money.Skill(method="weekday medians with drift", error=2.1, naive_error=3.4, tests=6),
            ),
            aws=money.Forecast(
                method="Cost Explorer",
                usd=round(spent + 1.04 * left, 2),
                low_usd=round(spent + 0.85 * left, 2),
                high_usd=round(spent + 1.25 * left, 2),
            ),
        ),
        anomalies=[
            money.Anomaly(
                day=day - timedelta(days=SPIKE_DAYS_AGO),
                service=f"{VOLUMES}{text}",
                kind=money.AnomalyKind.SPIKE,
                usd=round(usual * SPIKE, 2),
                expected_usd=round(usual, 2),
                score=9.4,
                drivers=[("NAT gateway, bytes", round(usual * (SPIKE - 1), 2))],
            )
        ],
        aws_anomalies=[
            AwsAnomaly(
                id="a",
                first=day - timedelta(days=SPIKE_DAYS_AGO),
                last=day - timedelta(days=SPIKE_DAYS_AGO),
                service=VOLUMES,
                usd=round(usual * SPIKE, 2),
                expected_usd=round(usual, 2),
            )
        ],
        estimate=money.Estimate(source="the price list of the AWS region", lines=[], monthly_usd=monthly),
        explained=_explained(platform, today, day, text),
        allocation=_allocation(monthly, text),
        savings=_savings(platform, monthly, text),
        calls=CallCount(made=2, allowed=4),
    )


def _explained(platform: Platform, today: float, day: date, text: str) -> money.Explained:
    name, group = next(iter(platform.environment.node_groups.items()))
    kind = group.instance_types[0]

    def line(what: str, service: str, share: float, how: money.How, exact: float = 1.0) -> money.Explanation:
        usd = round(today * share, 2)
        return money.Explanation(
            name=f"{what}{text}", service=service, usage_type=what, billed_usd=usd,
            expected_usd=None if how is money.How.NOTHING else round(usd * exact, 2), how=how,
            note=f"{group.desired} nodes of group {name}" if what.startswith(kind) else "",
        )  # fmt: skip

    lines = [
        line(f"{kind}, hours", COMPUTE, 0.46, money.How.INVENTORY),
        line("EKS cluster, hours", "Amazon Elastic Container Service for Kubernetes", 0.18, money.How.INVENTORY),
        line("NAT gateway, hours", VOLUMES, 0.09, money.How.INVENTORY),
        line("gp3 volumes, GB-months", VOLUMES, 0.05, money.How.INVENTORY, 0.98),
        line("NAT gateway, bytes", VOLUMES, 0.03, money.How.METERED),
        line("Logs, bytes taken in", "AmazonCloudWatch", 0.11, money.How.METERED),
        line("Public IPv4 address, hours", "Amazon Virtual Private Cloud", 0.03, money.How.INVENTORY),
        line("Requests-Tier1", "Amazon Simple Storage Service", 0.02, money.How.METERED),
        line("CloudTrail, paid events", "AWS CloudTrail", 0.03, money.How.NOTHING),
    ]
    explained = round(sum(one.expected_usd or 0 for one in lines), 2)
    billed = round(sum(one.billed_usd for one in lines), 2)
    return money.Explained(
        day=day, lines=lines, billed_usd=billed, explained_usd=explained, unexplained_usd=round(billed - explained, 2)
    )


def _allocation(monthly: float, text: str) -> money.Allocation:
    asked = monthly * (1 - IDLE - SHARED)

    def share(name: str, pods: int, of: float) -> money.Share:
        return money.Share(
            name=f"{name}{text}",
            pods=pods,
            compute_usd=round(asked * of * 0.88, 2),
            storage_usd=round(asked * of * 0.12, 2),
        )

    return money.Allocation(
        basis="requests and usage",
        components=[share(*one) for one in COMPONENTS],
        teams=[share(*one) for one in TEAMS],
        idle_usd=round(monthly * IDLE, 2),
        shared_usd=round(monthly * SHARED, 2),
        total_usd=monthly,
    )


def _savings(platform: Platform, monthly: float, text: str) -> money.Savings:
    where = f"include/environments/{platform.environment.name}.yaml"
    items = [
        money.Saving(
            name="graviton/primary",
            title=f"Run node group primary on Graviton{text}",
            monthly_usd=round(0.09 * monthly, 2),
            confidence=money.Confidence.HIGH,
            breaks="an image without arm64 does not start; all images in use have it",
            change=f"{where}: node_groups.primary.instance_types: [t4g.large]{text}",
            touches=["primary"],
        ),
        money.Saving(
            name="schedule/nights",
            title="Scale node group primary down at night",
            monthly_usd=round(0.07 * monthly, 2),
            confidence=money.Confidence.MEDIUM,
            breaks="what runs at night waits for nodes in the morning",
            change=f"{where}: node_groups.primary.min: 2",
            touches=["primary"],
            counted=False,
        ),
        money.Saving(
            name="logs/retention",
            title="Keep container logs for a week",
            monthly_usd=round(0.02 * monthly, 2),
            confidence=money.Confidence.HIGH,
            breaks="older logs cannot be searched",
            change=f"{where}: cluster.log_retention_days: 7",
            touches=["logs"],
        ),
    ]
    counted = round(sum(one.monthly_usd for one in items if one.counted), 2)
    return money.Savings(items=items, total_usd=counted)


# Busiest share of each kind of work: CPU, memory, network.
BUSY = {"primary": (0.74, 0.66, 0.18), "streaming": (0.48, 0.71, 0.36)}
USUAL = (0.41, 0.52, 0.12)


def scale(platform: Platform, text: str = "", wave: float = 0.0) -> sizes.ScaleBody:
    """The primary group is busier than its threshold allows; a broker's disk fills."""
    groups = [_group(name, one, text, wave) for name, one in platform.environment.node_groups.items() if one.desired]
    primary = groups[0]
    more = sizes.Resize(nodegroup=primary.pool, before=primary.nodes, after=primary.nodes + 1)
    where = f"include/environments/{platform.environment.name}.yaml"
    return sizes.ScaleBody(
        groups=groups,
        recommendations=[
            sizes.Recommendation(
                advice=sizes.Advice.MORE_NODES,
                subject=f"primary{text}",
                why="CPU is above 70 % over a day and over a week",
                how=f"{where}: node_groups.primary.desired: {more.after}{text}",
                evidence={"cpu day": round(primary.cpu_day or 0, 2), "cpu week": round(primary.cpu_week or 0, 2)},
                resize=more,
                monthly_usd=-60.74,
            )
        ],
        forecasts=[
            sizes.LimitForecast(
                what="used",
                subject=f"streaming/data-kafka-1{text}",
                now=41.0,
                limit=50.0,
                unit="GiB",
                days=9,
                earliest=6,
                method="weekday medians with drift",
                level=80,
                history_days=62,
            ),
            sizes.LimitForecast(
                what="pods",
                subject="primary",
                now=61,
                limit=330,
                unit="pods",
                days=None,
                earliest=None,
                method="naive",
                level=80,
                history_days=62,
            ),
        ],
        fleets=[
            _fleet(primary.pool, primary.instance_type, primary.nodes, 60.74, 0.74, 0.66, current=True),
            _fleet(primary.pool, primary.instance_type, primary.nodes + 1, 60.74, 0.56, 0.50),
            _fleet(primary.pool, "t3a.large", primary.nodes + 1, 54.9, 0.57, 0.50),
        ],
        autoscaler=True,
        nodes=sum(one.nodes for one in groups),
        pods=61,
    )


def _group(name: str, spec: object, text: str, wave: float) -> sizes.GroupUsage:
    cpu, memory, network = BUSY.get(name, USUAL)
    return sizes.GroupUsage(
        name=f"{name}{text}",
        pool=name,
        instance_type=spec.instance_types[0],  # type: ignore[attr-defined]
        nodes=spec.desired,  # type: ignore[attr-defined]
        minimum=spec.min,  # type: ignore[attr-defined]
        maximum=spec.max,  # type: ignore[attr-defined]
        cpu_day=round(cpu + wave, 3),
        cpu_week=round(cpu - 0.02, 3),
        memory_day=round(memory + wave / 3, 3),
        memory_week=round(memory - 0.01, 3),
        network_day=round(network + wave / 2, 3),
        network_week=network,
        cpu_requested=0.61,
        memory_requested=0.72,
    )


def _fleet(
    pool: str, kind: str, nodes: int, usd: float, cpu: float, memory: float, *, current: bool = False
) -> sizes.FleetOption:
    return sizes.FleetOption(
        pool=pool,
        instance_type=kind,
        nodes=nodes,
        monthly_usd=round(nodes * usd, 2),
        cpu_share=cpu,
        memory_share=memory,
        current=current,
    )
