"""The verdict is a pure function of facts: quiet over healthy ones of every kind, sharp at each threshold."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.health import days_left, judge, summary, verdict
from slipway.decisions.health_limits import DEFAULT, RUNBOOKS
from slipway.decisions.series import SeriesName
from slipway.model.health import (
    AddonFact,
    AlertFact,
    Before,
    ClaimFact,
    ControlPlaneFact,
    ExpiryFact,
    Finding,
    FindingKind,
    HealthFacts,
    JobFact,
    NodeFact,
    NodeGroupFact,
    PodFact,
    PodTrouble,
    QuotaFact,
    Sample,
    ServiceFact,
    SubnetFact,
    Verdict,
    WorkloadFact,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def healthy(seed: int) -> tuple[HealthFacts, Before]:
    """A platform in some healthy moment: rolling out, scaling, restarting, at most for as long as that takes."""
    rng = random.Random(seed)
    groups = [f"group-{index}" for index in range(rng.randint(1, 4))]
    sizes = {group: rng.randint(1, 6) for group in groups}
    nodes = [
        NodeFact(f"{group}-{index}", group, True, ago(days=2)) for group in groups for index in range(sizes[group])
    ]
    grown = rng.random() < 0.3
    facts = HealthFacts(
        "dev",
        "us-east-1",
        control_plane=ControlPlaneFact(
            rng.choice(["ACTIVE", "ACTIVE", "UPDATING"]), "1.36", "STANDARD", NOW + timedelta(days=rng.randint(61, 400))
        ),
        # A group that just grew lacks the machines that are on their way.
        node_groups=[NodeGroupFact(g, "ACTIVE", sizes[g] + grown, ago(minutes=3 if grown else 900)) for g in groups],
        nodes=nodes,
        addons=[AddonFact(name, rng.choice(["ACTIVE", "UPDATING"])) for name in ("vpc-cni", "coredns")],
        workloads=[
            WorkloadFact(
                "Deployment", "apps", f"web-{index}", "web", 3, rng.randint(0, 3), ago(minutes=rng.uniform(0, 4))
            )
            for index in range(rng.randint(0, 5))
        ],
        pods=[
            PodFact(
                "apps", "starting", "web", PodTrouble.PENDING, ago(minutes=rng.uniform(0, 4.9)), "ContainerCreating"
            ),
            PodFact(
                "apps", "early", "web", PodTrouble.CRASH_LOOP, ago(minutes=1), "waits for its database", restarts=2
            ),
        ][: rng.randint(0, 2)],
        jobs=[JobFact("data", "old", "backup", ago(days=3), "failed then")][: rng.randint(0, 1)],
        claims=[ClaimFact("data", "new", "Pending", ago(minutes=rng.uniform(0, 9)))][: rng.randint(0, 1)],
        services=[ServiceFact("apps", "new", ago(minutes=rng.uniform(0, 9)))][: rng.randint(0, 1)],
        expiries=[ExpiryFact("Secret", "apps/tls", NOW + timedelta(days=rng.uniform(21.1, 90)))],
        quotas=[QuotaFact("AWS", "vCPUs", 100, rng.uniform(0, 89)), QuotaFact("apps", "pods", 100, rng.uniform(0, 94))],
        subnets=[SubnetFact("subnet-1", "us-east-1a", rng.randint(16, 251))],
        samples=[
            *_claim("data-0", rng.uniform(0.1, 0.69), rng.uniform(0, 1e9)),
            Sample(SeriesName.TARGETS_DOWN, {"job": "kafka", "namespace": "streaming"}, 0),
            Sample(SeriesName.COMPONENT_UP, {"component": "kafka"}, rng.choice([1.0, 0.5])),
            Sample(SeriesName.ERROR_BUDGET, {"component": "maze", "slo": "requests"}, rng.uniform(0.11, 1)),
            Sample(SeriesName.CONSUMER_LAG, {"consumergroup": "etl", "topic": "events"}, rng.uniform(0, 50_000)),
            Sample(SeriesName.CONSUMER_LAG_GROWTH, {"consumergroup": "etl", "topic": "events"}, -1.0),
        ],
        alerts=[AlertFact("Watchdog", "none", {}, "always", ago(days=9))],
        skew_seconds=rng.uniform(-100, 100),
    )
    return facts, Before(desired=dict(sizes), ready=dict(sizes))


def _claim(name: str, ratio: float, growth: float) -> list[Sample]:
    labels = {"namespace": "data", "persistentvolumeclaim": name}
    return [
        Sample(SeriesName.CLAIM_USED_RATIO, labels, ratio),
        Sample(SeriesName.CLAIM_USED, labels, ratio * 100e9),
        Sample(SeriesName.CLAIM_GROWTH, labels, growth),
    ]


@pytest.mark.parametrize("seed", range(60))
def test_no_false_alarm(seed: int) -> None:
    facts, before = healthy(seed)
    assert [str(one) for one in judge(facts, NOW, before)] == []


def found(before: Before | None = None, **changes: Any) -> list[Finding]:
    facts, steady = healthy(1)
    for name, value in changes.items():
        setattr(facts, name, value)
    return judge(facts, NOW, before or steady)


@pytest.mark.parametrize(
    ("changes", "kind", "severity"),
    [
        ({"control_plane": None}, FindingKind.CLUSTER_GONE, Verdict.DOWN),
        ({"control_plane": ControlPlaneFact("FAILED", "1.36")}, FindingKind.CONTROL_PLANE, Verdict.DOWN),
        ({"api_error": "no answer"}, FindingKind.API_UNREACHABLE, Verdict.DOWN),
        ({"nodes": []}, FindingKind.NO_NODES, Verdict.DOWN),
        (
            {"workloads": [WorkloadFact("StatefulSet", "data", "db", "db", 1, 0, ago(minutes=6))]},
            FindingKind.WORKLOAD_DOWN,
            Verdict.DOWN,
        ),
        (
            {"workloads": [WorkloadFact("Deployment", "x", "not-ours", "", 1, 0, ago(minutes=6))]},
            FindingKind.WORKLOAD_DOWN,
            Verdict.DEGRADED,
        ),
        (
            {"workloads": [WorkloadFact("Deployment", "apps", "web", "web", 3, 2, ago(minutes=16))]},
            FindingKind.WORKLOAD_SHORT,
            Verdict.DEGRADED,
        ),
        ({"subnets": [SubnetFact("subnet-1", "a", 15)]}, FindingKind.SUBNET_ADDRESSES, Verdict.DEGRADED),
        ({"quotas": [QuotaFact("AWS", "vCPUs", 100, 90)]}, FindingKind.AWS_QUOTA, Verdict.DEGRADED),
        ({"skew_seconds": -130.0}, FindingKind.CLOCK_SKEW, Verdict.DEGRADED),
        ({"samples": _claim("full", 0.95, 0)}, FindingKind.CLAIM_FULL, Verdict.DEGRADED),
        ({"samples": _claim("filling", 0.75, 20e9)}, FindingKind.CLAIM_FULL, Verdict.DEGRADED),
    ],
)
def test_thresholds(changes: dict[str, Any], kind: FindingKind, severity: Verdict) -> None:
    named = {one.kind: one for one in found(**changes)}
    assert kind in named
    assert named[kind].severity is severity
    assert verdict(named.values()) is max((one.severity for one in named.values()), key=lambda one: one.rank)


def test_a_workload_without_a_date_counts_from_when_it_was_first_seen() -> None:
    workload = WorkloadFact("StatefulSet", "data", "db", "db", 3, 2, None)
    assert found(workloads=[workload]) == []
    before = Before(short={workload.subject: ago(minutes=20)})
    (finding,) = [one for one in found(before, workloads=[workload]) if one.kind is FindingKind.WORKLOAD_SHORT]
    assert "20 min" in finding.what


def test_growing_group_is_not_a_lost_node_but_staying_short_is() -> None:
    groups = [NodeGroupFact("group", "ACTIVE", 3, ago(days=1))]
    nodes = [NodeFact(f"n{index}", "group", True, ago(days=1)) for index in range(2)]
    grown = found(Before(desired={"group": 2}, ready={"group": 2}), node_groups=groups, nodes=nodes)
    short = found(Before(desired={"group": 3}, ready={"group": 2}), node_groups=groups, nodes=nodes)
    assert FindingKind.NODE_GONE not in {one.kind for one in grown}
    assert FindingKind.NODE_GONE in {one.kind for one in short}


def test_extended_support_is_judged_by_its_own_end() -> None:
    plane = ControlPlaneFact("ACTIVE", "1.33", "EXTENDED", ago(days=100), NOW + timedelta(days=30))
    (finding,) = [one for one in found(control_plane=plane) if one.kind is FindingKind.VERSION_SUPPORT]
    assert "extended support of 1.33 ends in 30 days" in finding.what


def test_every_kind_with_a_page_has_one() -> None:
    from pathlib import Path

    pages = Path(__file__).resolve().parents[3] / "docs" / "runbooks"
    assert {page for page in RUNBOOKS.values() if not (pages / f"{page}.md").is_file()} == set()
    assert set(RUNBOOKS) | {FindingKind.ALERT_FIRING} == set(FindingKind)


@given(st.lists(st.sampled_from(list(Verdict)), max_size=8))
def test_verdict_is_the_worst(severities: list[Verdict]) -> None:
    findings = [Finding(kind=FindingKind.NODE_GONE, severity=one, subject="x", what="y") for one in severities]
    assert verdict(findings).rank == max((one.rank for one in severities), default=0)
    assert summary(findings)


@given(minutes=st.floats(0, 10_000), restarts=st.integers(0, 50), trouble=st.sampled_from(list(PodTrouble)))
def test_pods_become_findings_exactly_at_their_limits(minutes: float, restarts: int, trouble: PodTrouble) -> None:
    pod = PodFact("apps", "p", "web", trouble, ago(minutes=minutes), "why", restarts=restarts)
    kinds = {one.kind for one in found(pods=[pod], workloads=[])}
    expected = {
        PodTrouble.PENDING: (timedelta(minutes=minutes) >= DEFAULT.pending, FindingKind.POD_PENDING),
        PodTrouble.CRASH_LOOP: (restarts >= DEFAULT.crash_restarts, FindingKind.CRASH_LOOP),
        PodTrouble.EVICTED: (timedelta(minutes=minutes) <= DEFAULT.evicted, FindingKind.EVICTED_PODS),
    }[trouble]
    assert (expected[1] in kinds) == expected[0]


@given(st.floats(0.01, 1), st.floats(1, 1e12), st.floats(-1e12, 1e12))
def test_days_left_is_never_negative(ratio: float, used: float, growth: float) -> None:
    assert days_left(ratio, used, growth) >= 0
