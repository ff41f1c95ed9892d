"""Reports, records and releases for the page to show: made through the product's own hooks, with a fixed random seed.

- dev in us-east-1 has everything, 90 days of it, and a cluster that answers.
- staging has a health report that is hours old, and nothing else: it is deployed while the browser watches.
- prod in us-east-1 is full of hostile names; prod in eu-west-1 does not exist.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.hooks.records import RecordsHook
from slipway.hooks.reports import ReportsHook
from slipway.hooks.results import ResultsHook
from slipway.model import cost as money
from slipway.model import scale as sizes
from slipway.model.bill import AwsAnomaly, BillLine, CallCount, PlatformBill
from slipway.model.component import StageName
from slipway.model.health import Finding, FindingKind, HealthBody, HealthState, Verdict
from slipway.model.platform import Platform
from slipway.model.records import CheckResult, CheckState
from slipway.model.report import Missing, Report, prefix

HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
SERVICES = {
    "Amazon Elastic Compute Cloud - Compute": 19.4,
    "Amazon Elastic Container Service for Kubernetes": 2.4,
    "EC2 - Other": 6.2,
    "Amazon Virtual Private Cloud": 3.3,
    "AmazonCloudWatch": 1.4,
    "Amazon Simple Storage Service": 0.5,
    "AWS Key Management Service": 0.2,
    "AWS Secrets Manager": 0.3,
    "AWS CloudTrail": 0.1,
    "Amazon Route 53": 0.05,
}
SPIKE_DAYS_AGO = 17
LATE = timedelta(hours=3)


def bucket(platform: Platform) -> None:
    """Make the platform's artefact bucket."""
    region = platform.region
    where: dict[str, Any] = (
        {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    boto3.client("s3", region_name=region).create_bucket(Bucket=platform.bucket, **where)


def _write(platform: Platform, kind: str, ended: datetime, verdict: str, summary: str, body: Any, **more: Any) -> None:
    report: Report[Any] = Report[type(body)](  # type: ignore[misc]
        kind=kind,
        environment=platform.environment.name,
        region=platform.region,
        run_id=f"scheduled__{ended:%Y-%m-%dT%H:%M:%S}+00:00",
        started=ended - timedelta(seconds=40),
        ended=ended,
        verdict=verdict,
        summary=summary,
        body=body,
        **more,
    )
    ReportsHook(platform).write(report, f"# {summary}\n")


def health(platform: Platform, ended: datetime, text: str = "") -> None:
    """One health report with two findings."""
    findings = [
        Finding(
            kind=FindingKind.WORKLOAD_SHORT,
            severity=Verdict.DEGRADED,
            subject=f"StatefulSet data-layer/mongodb{text}",
            what=f"2 of 3 pods are ready{text}",
            since=ended - timedelta(minutes=34),
            labels={"component": "mongodb"},
            runbook=f"docs/runbooks/MongodbMemberDown.md{text}",
        ),
        Finding(
            kind=FindingKind.CLAIM_FULL,
            severity=Verdict.DEGRADED,
            subject="PersistentVolumeClaim streaming/data-kafka-1",
            what="82 % of 20 GiB used; full in 9 days at this rate",
            since=ended - timedelta(hours=5),
            labels={"component": "kafka"},
            runbook="docs/runbooks/VolumeFilling.md",
        ),
    ]
    body = HealthBody(
        findings=findings,
        counts={"nodes": 7, "pods": 96, "workloads": 41},
        calls={"eks": 6},
        seconds=4.1,
        version="1.36",
    )
    _write(platform, "health", ended, "Degraded", f"2 findings, none of them down{text}", body)
    state = HealthState(verdict=Verdict.DEGRADED, since=ended - timedelta(minutes=34))
    key = f"watch/{platform.environment.name}/{platform.region}/health.json"
    RecordsHook(platform).put_json(key, state.model_dump(mode="json"))


def run(platform: Platform, run_id: str, at: datetime, stages: Iterable[StageName] = tuple(StageName)) -> None:
    """What a deploy's checks proved: one failed, one could not run."""
    results = ResultsHook(platform, run_id)
    for stage in stages:
        counted = {"passed": 0, "skipped": 0, "failed": 0}
        for one in load_components().values():
            if one.stage is not stage:
                continue
            for check in one.spec.checks:
                state = {"strangers-refused": CheckState.FAILED, "controller-ready": CheckState.SKIPPED}.get(
                    check.name, CheckState.PASSED
                )
                counted[state.value] += 1
                results.put(
                    stage,
                    CheckResult(
                        component=one.name,
                        check=check.name,
                        state=state,
                        proves=check.proves,
                        seconds=4.2,
                        proved={"check": check.name, "written": 1000, "read": 1000}
                        if state is CheckState.PASSED
                        else {},
                        reason="" if state is CheckState.PASSED else "it said so in its last line",
                    ),
                )
        results.put_stage(
            stage, {"stage": stage.value, "at": at.isoformat(), "green": not counted["failed"], **counted}
        )


def bill(day: date, days: int = 70) -> list[BillLine]:
    """Cost by day and service, with a week's rhythm and one spike."""
    dice = random.Random(7)
    found = []
    for offset in range(days, -1, -1):
        at = day - timedelta(days=offset)
        for service, usd in SERVICES.items():
            rhythm = 1 + 0.12 * math.sin(2 * math.pi * at.toordinal() / 7) + dice.uniform(-0.04, 0.04)
            spike = 2.6 if offset == SPIKE_DAYS_AGO and service == "EC2 - Other" else 1.0
            found.append(
                BillLine(day=at, service=service, usage_type=service, usd=round(usd * rhythm * spike, 4), quantity=24.0)
            )
    return found


def cost_body(day: date, text: str = "") -> money.CostBody:
    """A month that will go over its budget."""
    days = day.day
    spent = round(33.9 * days, 2)
    saving = money.Saving(
        name="graviton/primary",
        title=f"Run node group primary on Graviton{text}",
        monthly_usd=61.3,
        confidence=money.Confidence.HIGH,
        breaks="images without arm64 do not start",
        change=f"include/environments/dev.yaml: node_groups.primary.instance_types: [m7g.large]{text}",
        touches=["primary"],
    )
    shares = [
        money.Share(name=f"{name}{text}", pods=pods, compute_usd=usd, storage_usd=usd / 8)
        for name, pods, usd in (("kafka", 3, 142.0), ("spark", 4, 120.5), ("hdfs", 4, 88.1), ("prometheus", 1, 31.0))
    ]
    return money.CostBody(
        day=day,
        total=money.Compared(name="all", usd=33.9, last_week_usd=33.1),
        services=[money.Compared(name=name, usd=usd, last_week_usd=usd) for name, usd in SERVICES.items()],
        month=money.Month(
            first=day.replace(day=1),
            through=day,
            days=days,
            days_in_month=30,
            gross_usd=spent,
            preliminary_usd=8.2,
            environment_usd=spent,
            credits_usd=-12.0,
            refunds_usd=0.0,
            tax_usd=0.0,
            budget_usd=900.0,
        ),
        forecast=money.Forecasts(
            ours=money.Forecast(
                method="weekday medians with drift",
                usd=1018.4,
                low_usd=969.0,
                high_usd=1071.2,
                skill=money.Skill(method="weekday medians with drift", error=3.1, naive_error=5.9, tests=6),
            ),
            aws=money.Forecast(method="Cost Explorer", usd=1030.0, low_usd=940.0, high_usd=1120.0),
        ),
        anomalies=[
            money.Anomaly(
                day=day - timedelta(days=SPIKE_DAYS_AGO),
                service=f"EC2 - Other{text}",
                kind=money.AnomalyKind.SPIKE,
                usd=16.1,
                expected_usd=6.2,
                score=9.4,
                drivers=[("NAT gateway, bytes", 9.7)],
            )
        ],
        aws_anomalies=[AwsAnomaly(id="a", first=day, last=day, service="AmazonCloudWatch", usd=2.1, expected_usd=1.4)],
        estimate=money.Estimate(source="the price list of 2026-11-20", lines=[], monthly_usd=1003.2),
        explained=money.Explained(
            day=day,
            billed_usd=33.9,
            explained_usd=32.6,
            unexplained_usd=1.3,
            lines=[
                money.Explanation(
                    name=f"m6i.large, hours{text}",
                    service="Amazon Elastic Compute Cloud - Compute",
                    usage_type="BoxUsage:m6i.large",
                    billed_usd=19.4,
                    expected_usd=19.4,
                    how=money.How.INVENTORY,
                )
            ],
        ),
        allocation=money.Allocation(
            basis="requests and usage",
            components=shares,
            teams=shares[:2],
            idle_usd=210.0,
            shared_usd=260.0,
            total_usd=1003.2,
        ),
        savings=money.Savings(items=[saving], total_usd=61.3),
        calls=CallCount(made=2, allowed=4),
    )


def cost(platform: Platform, ended: datetime, text: str = "") -> None:
    """A cost report and the bill beside it."""
    day = ended.date() - timedelta(days=2)
    lines = bill(day)
    if text:
        lines = [line.model_copy(update={"service": line.service + text}) for line in lines]
    kept = PlatformBill(lines=lines, calls=CallCount(made=2, allowed=4))
    key = f"{prefix(platform.environment.name, platform.region, 'bill-usage', ended.date())}run.json"
    RecordsHook(platform).put_json(key, kept.model_dump(mode="json"))
    missing = [Missing(part="tax", reason=f"Cost Explorer has none for this month yet{text}")]
    _write(
        platform,
        "cost",
        ended,
        "forecast-over-budget",
        f"1,018 USD expected of a budget of 900 USD{text}",
        cost_body(day, text),
        missing=missing,
    )


def scale(platform: Platform, ended: datetime, text: str = "", wave: float = 0.0) -> None:
    """A scale report: one group too busy, one idle."""

    def group(name: str, cpu: float, memory: float, nodes: int, kind: str) -> sizes.GroupUsage:
        return sizes.GroupUsage(
            name=f"{name}{text}",
            pool=name,
            instance_type=kind,
            nodes=nodes,
            minimum=1,
            maximum=2 * nodes,
            cpu_day=cpu,
            cpu_week=cpu - 0.02,
            memory_day=memory,
            memory_week=memory - 0.03,
            network_day=0.2,
            network_week=0.19,
            cpu_requested=0.6,
            memory_requested=0.7,
        )

    resize = sizes.Resize(nodegroup="streaming", before=3, after=4)
    body = sizes.ScaleBody(
        groups=[
            group("primary", 0.41 + wave, 0.62, 3, "m6i.large"),
            group("streaming", 0.76 + wave, 0.71, 3, "r6i.large"),
        ],
        recommendations=[
            sizes.Recommendation(
                advice=sizes.Advice.MORE_NODES,
                subject=f"streaming{text}",
                why="CPU is above 70 % over a day and a week",
                how=f"include/environments/dev.yaml: node_groups.streaming.desired: 4{text}",
                evidence={"cpu day": 0.76, "cpu week": 0.74},
                resize=resize,
                monthly_usd=-91.98,
            )
        ],
        forecasts=[
            sizes.LimitForecast(
                what="used",
                subject=f"streaming/data-kafka-1{text}",
                now=16.4,
                limit=20.0,
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
            sizes.FleetOption(
                pool="streaming",
                instance_type="r6i.large",
                nodes=3,
                monthly_usd=276.0,
                cpu_share=0.76,
                memory_share=0.71,
                current=True,
            ),
            sizes.FleetOption(
                pool="streaming",
                instance_type="r7g.large",
                nodes=4,
                monthly_usd=244.1,
                cpu_share=0.58,
                memory_share=0.53,
            ),
        ],
        autoscaler=True,
        nodes=6,
        pods=96,
    )
    _write(platform, "scale", ended, "recommendations", f"1 recommendation{text}", body)


def seed(days: int = 8) -> None:
    """Everything that lies in buckets."""
    now = datetime.now(UTC).replace(microsecond=0)
    dev, staging, prod = load_platform("dev"), load_platform("staging"), load_platform("prod")
    bucket(staging)
    bucket(prod)
    health(dev, now - timedelta(minutes=2))
    run(dev, f"manual__{now - timedelta(hours=5):%Y-%m-%dT%H:%M:%S}+00:00", now - timedelta(hours=5))
    cost(dev, now - timedelta(hours=6))
    for offset in range(days, -1, -1):
        scale(dev, now - timedelta(days=offset, hours=5), wave=0.05 * math.sin(offset))
    health(staging, now - LATE)
    health(prod, now - timedelta(minutes=2), HOSTILE)
    cost(prod, now - timedelta(hours=6), HOSTILE)
    for offset in (1, 0):
        scale(prod, now - timedelta(days=offset, hours=5), HOSTILE)
