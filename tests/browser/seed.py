"""Reports and records for the page to show, made through the product's own hooks, with a fixed random seed.

- dev in us-east-1 has everything, and a cluster that answers: it was deployed five hours ago, all stages were proven
  but for the last one, whose benchmark of Spark was too slow, and for half an hour a member of MongoDB is missing.
- staging has a health report that is hours old, and nothing else.
- prod in us-east-1 is full of hostile names; prod in eu-west-1 does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import boto3
from slipway.catalog.components import load_components
from slipway.catalog.environments import load_platform
from slipway.hooks.records import RecordsHook
from slipway.hooks.reports import ReportsHook
from slipway.hooks.results import ResultsHook
from slipway.model.bill import CallCount, PlatformBill
from slipway.model.component import Check, StageName
from slipway.model.health import Finding, FindingKind, HealthBody, HealthState, Verdict
from slipway.model.platform import Platform
from slipway.model.records import CheckResult, CheckState
from slipway.model.report import Missing, Report, prefix

from tests.browser import bodies

HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
LATE = timedelta(hours=3)
DEPLOYED = timedelta(hours=5)

# What checks print when they pass; the others say how long they took.
PROVED: Mapping[tuple[str, str], dict[str, Any]] = {
    ("connectivity", "api-and-nodes"): {"nodes": 3, "ready": 3},
    ("connectivity", "dns"): {"names": 2, "milliseconds": 7},
    ("connectivity", "egress"): {"endpoints": 2, "tls": "1.3"},
    ("namespaces", "pod-security"): {"refused": 1, "accepted": 1},
    ("storage-classes", "driver-registered"): {"classes": 2, "driver": "ebs.csi.aws.com"},
    ("prometheus", "targets-up"): {"targets": 41, "up": 41},
    ("prometheus", "rules-evaluate"): {"rules": 187, "failed": 0},
    ("kafka", "quorum"): {"voters": 3, "lag": 0},
    ("kafka", "replication"): {"partitions": 36, "under_replicated": 0},
    ("kafka", "round-trip"): {"written": 1000, "read": 1000, "seconds": 3.2},
    ("mongodb", "replica-set"): {"members": 3, "healthy": 3, "behind_seconds": 0},
    ("mongodb", "write-read"): {"written": 1000, "read": 1000, "seconds": 2.6},
    ("mysql", "write-read"): {"written": 1000, "read": 1000, "seconds": 1.9},
    ("hdfs", "datanodes"): {"live": 3, "missing_blocks": 0},
    ("hdfs", "round-trip"): {"mebibytes": 16, "replicas": 3, "seconds": 4.8},
    ("spark", "job"): {"numbers": 1_000_000, "groups": 100, "seconds": 11.4},
    ("maze", "solve"): {"mazes": 20, "solved": 20, "rows": 20},
    ("stream", "events"): {"events": 200, "dead_letters": 5},
    ("stream", "sums"): {"events": 200, "counted": 200},
    ("end-to-end", "stream-to-metrics"): {"produced": 500, "consumed": 500, "seconds": 6.1},
    ("benchmark", "kafka-throughput"): {"records": 50_000, "per_second": 11_840, "p99_ms": 31},
    ("benchmark", "http-latency"): {"per_second": 212, "p50_ms": 14, "p95_ms": 37, "p99_ms": 58, "errors": 0},
    ("database-benchmark", "mongodb-latency"): {"inserts": 1000, "insert_p99_ms": 19, "read_p99_ms": 4},
}
FAILED = {("database-benchmark", "spark-job"): "took 96.4 s; 60 s are allowed, the baseline is 41.2 s"}
SKIPPED = {("image-scan", "scanner-works"): "the registry cannot be reached from here"}


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
    """One health report with two findings, as ``bodies`` sees the platform: Kafka's disk, and a member of MongoDB."""
    findings = [
        Finding(
            kind=FindingKind.WORKLOAD_SHORT,
            severity=Verdict.DEGRADED,
            subject=f"StatefulSet data/mongodb{text}",
            what=f"2 of 3 pods are ready{text}",
            since=ended - timedelta(minutes=34),
            labels={"component": "mongodb"},
            runbook=f"docs/runbooks/MongodbMemberDown.md{text}",
        ),
        Finding(
            kind=FindingKind.CLAIM_FULL,
            severity=Verdict.DEGRADED,
            subject="PersistentVolumeClaim streaming/data-kafka-1",
            what="82 % of 50 GiB used; full in 9 days at this rate",
            since=ended - timedelta(minutes=12),
            labels={"component": "kafka"},
            runbook="docs/runbooks/VolumeFilling.md",
        ),
    ]
    nodes = sum(one.desired for one in platform.environment.node_groups.values())
    workloads = len(load_components()) - len(platform.environment.components.disabled)
    body = HealthBody(
        findings=findings,
        counts={"nodes": nodes, "pods": 61, "workloads": workloads},
        calls={"eks": 6},
        seconds=4.1,
        version=platform.environment.cluster.version,
    )
    _write(platform, "health", ended, "Degraded", f"2 findings, none of them down{text}", body)
    state = HealthState(verdict=Verdict.DEGRADED, since=ended - timedelta(minutes=34))
    key = f"watch/{platform.environment.name}/{platform.region}/health.json"
    RecordsHook(platform).put_json(key, state.model_dump(mode="json"))


def run_id(at: datetime) -> str:
    """As Airflow names a run that somebody started."""
    return f"manual__{at:%Y-%m-%dT%H:%M:%S}+00:00"


def run(platform: Platform, at: datetime) -> None:
    """What a deploy's checks proved: one could not run, one of the last stage failed."""
    results = ResultsHook(platform, run_id(at))
    for stage in StageName:
        counted = {"passed": 0, "skipped": 0, "failed": 0}
        for one in load_components().values():
            if one.stage is not stage or one.name in platform.environment.components.disabled:
                continue
            for check in one.spec.checks:
                result = _result(one.name, check)
                counted[result.state.value] += 1
                results.put(stage, result)
        results.put_stage(
            stage, {"stage": stage.value, "at": at.isoformat(), "green": not counted["failed"], **counted}
        )


def _result(component: str, check: Check) -> CheckResult:
    key = (component, check.name)
    seconds = 3.0 + len(check.proves) % 9
    if key in FAILED:
        state, reason, proved = CheckState.FAILED, FAILED[key], {}
    elif key in SKIPPED:
        state, reason, proved = CheckState.SKIPPED, SKIPPED[key], {}
    else:
        state, reason, proved = CheckState.PASSED, "", PROVED.get(key, {"seconds": round(seconds - 1.4, 1)})
    return CheckResult(
        component=component,
        check=check.name,
        state=state,
        proves=check.proves,
        seconds=seconds,
        proved={"check": check.name, **proved} if proved else {},
        reason=reason,
    )


def cost(platform: Platform, ended: datetime, text: str = "") -> None:
    """A cost report and the bill beside it."""
    day = ended.date() - timedelta(days=2)
    lines = bodies.bill(platform, day)
    body = bodies.cost(platform, lines, day, text)
    if text:
        lines = [line.model_copy(update={"service": line.service + text}) for line in lines]
    kept = PlatformBill(lines=lines, calls=CallCount(made=2, allowed=4))
    key = f"{prefix(platform.environment.name, platform.region, 'bill-usage', ended.date())}run.json"
    RecordsHook(platform).put_json(key, kept.model_dump(mode="json"))
    assert body.month is not None
    assert body.forecast.ours is not None
    missing = [Missing(part="tax", reason=f"Cost Explorer has none for this month yet{text}")] if text else []
    over = body.forecast.ours.usd > body.month.budget_usd
    _write(
        platform,
        "cost",
        ended,
        "forecast-over-budget" if over else "within-budget",
        f"{body.forecast.ours.usd:,.0f} USD expected of a budget of {body.month.budget_usd:,.0f} USD{text}",
        body,
        missing=missing,
    )


def scale(platform: Platform, ended: datetime, text: str = "", wave: float = 0.0) -> None:
    """A scale report with one recommendation."""
    _write(platform, "scale", ended, "recommendations", f"1 recommendation{text}", bodies.scale(platform, text, wave))


def seed(now: datetime, days: int = 8, *, staging: bool = True) -> None:
    """Everything that lies in buckets; of staging only where nothing is to be deployed to it."""
    dev, prod = load_platform("dev"), load_platform("prod")
    bucket(prod)
    if staging:
        bucket(load_platform("staging"))
        health(load_platform("staging"), now - LATE)
    health(dev, now - timedelta(minutes=2))
    run(dev, now - DEPLOYED)
    cost(dev, now - timedelta(hours=6))
    for offset in range(days, -1, -1):
        wave = 0.05 * math.sin(offset) if offset else 0.0
        scale(dev, now - timedelta(days=offset, hours=6), wave=wave)
    health(prod, now - timedelta(minutes=2), HOSTILE)
    cost(prod, now - timedelta(hours=6), HOSTILE)
    for offset in (1, 0):
        scale(prod, now - timedelta(days=offset, hours=6), HOSTILE)
