"""Tries are bounded, advice fits the evidence, and secrets do not get into reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.runbooks import Diagnosis, Evidence, MendKind, Outcome, decide, diagnose, has_runbook
from slipway.hooks.runbooks import redact
from slipway.model.health import Finding, FindingKind, Verdict
from slipway.model.policies import Policies, Policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def finding(kind: FindingKind, what: str = "something", **labels: str) -> Finding:
    return Finding(kind=kind, severity=Verdict.DEGRADED, subject="x", what=what, labels=labels)


CRASH = finding(FindingKind.CRASH_LOOP, namespace="apps", pod="web-1", workload="web")


def mendable() -> Diagnosis:
    return diagnose(CRASH, Evidence(), NOW)


@given(hours=st.lists(st.floats(0, 72), max_size=8), limit=st.integers(1, 5), policy=st.sampled_from(list(Policy)))
def test_never_more_tries_than_allowed(hours: list[float], limit: int, policy: Policy) -> None:
    tries = [NOW - timedelta(hours=one) for one in hours]
    decision = decide(mendable(), policy, tries, limit, None, NOW)
    recent = sum(one < 24 for one in hours)
    assert decision.apply == (policy is Policy.AUTO and recent < limit)
    assert decision.call == (policy is Policy.AUTO and recent >= limit)


def test_a_person_is_called_once_a_day() -> None:
    tries = [NOW - timedelta(minutes=20)]
    assert not decide(mendable(), Policy.AUTO, tries, 1, NOW - timedelta(hours=2), NOW).call
    assert decide(mendable(), Policy.AUTO, tries, 1, NOW - timedelta(hours=25), NOW).call


def test_a_recent_release_is_blamed_and_not_restarted() -> None:
    evidence = Evidence(releases=["web 7 at now by run"], released=NOW - timedelta(minutes=30))
    found = diagnose(CRASH, evidence, NOW)
    assert found.mend is None
    assert "web 7" in found.cause
    assert any("platform_rollback" in text for text in found.advice)


def test_out_of_memory_is_not_mended_by_a_restart() -> None:
    assert diagnose(CRASH, Evidence(details={"reason": "OOMKilled"}), NOW).mend is None


def test_autoscaler_is_not_worked_against() -> None:
    pending = finding(FindingKind.POD_PENDING, "1 pod pending: 0/3 nodes are available: 3 Insufficient cpu.")
    grown = diagnose(pending, Evidence(details={"grow": "primary", "sizes": "3 of 5"}), NOW)
    assert grown.mend is not None
    assert grown.mend.kind is MendKind.GROW_NODE_GROUP
    assert diagnose(pending, Evidence(details={"grow": "primary", "autoscaler": "yes"}), NOW).mend is None


@pytest.mark.parametrize(
    "kind",
    [
        FindingKind.POD_PENDING,
        FindingKind.CRASH_LOOP,
        FindingKind.NODE_NOT_READY,
        FindingKind.CLAIM_FULL,
        FindingKind.STUCK_ROLLOUT,
        FindingKind.FAILED_JOB,
        FindingKind.ADDON_DEGRADED,
        FindingKind.CONSUMER_LAG,
        FindingKind.EVICTED_PODS,
    ],
)
def test_common_incidents_have_a_runbook_that_bears_missing_evidence(kind: FindingKind) -> None:
    one = finding(kind)
    assert has_runbook(one)
    found = diagnose(one, Evidence(), NOW)
    assert found.cause
    assert found.advice or found.mend
    assert found.mend is None or found.mend.undo


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("connect password=hunter2 failed", "hunter2"),
        ('{"api_key": "abc123"}', "abc123"),
        ("Authorization: Bearer eyJhbGciOi.x.y", "eyJhbGciOi"),
        ("using AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("mongodb://root:s3cret@mongodb-0:27017", "s3cret"),
    ],
)
def test_secrets_are_left_out(line: str, secret: str) -> None:
    assert secret not in redact(line)
    assert "[redacted]" in redact(line)


def test_yaml_off_is_understood() -> None:
    assert Policies.model_validate({"runbooks": False, "scale": "auto"}).runbooks is Policy.OFF
    assert decide(mendable(), Policy.SUGGEST, [], 2, None, NOW).outcome is Outcome.SUGGESTED
