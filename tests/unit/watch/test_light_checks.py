"""Which light checks are repeated, how each pod's end is read, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from slipway.catalog.components import load_components
from slipway.decisions.health_report import markdown
from slipway.decisions.light_checks import (
    EVERY,
    NOT_YET,
    STALE,
    LightCheck,
    again,
    due,
    failed_checks,
    light_checks,
    outcome,
    remembered,
    seen,
)
from slipway.hooks.light_checks import LightChecksHook, run_id
from slipway.model.component import Check, Component, ComponentSpec, StageName
from slipway.model.health import HealthBody
from slipway.model.light_checks import Checking, CheckMemory
from slipway.model.records import CheckState
from slipway.model.report import Report

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def check(component: str, name: str = "quorum", **more: Any) -> LightCheck:
    spec = Check.model_validate({"name": name, "proves": "it works", "command": ["x"], "light": True, **more})
    folder = Path("include/manifests/data-layer") / component
    whole = ComponentSpec(description="x", namespace="data", checks=[spec])
    return LightCheck(Component(name=component, stage=StageName.DATA_LAYER, folder=folder, spec=whole), spec)


def ended(state: CheckState = CheckState.PASSED, minutes: float = 0, **more: Any) -> CheckMemory:
    return CheckMemory(state=state, proves="it works", at=NOW - timedelta(minutes=minutes), **more)


def pod(phase: str = "Succeeded", seconds: float = 2, **state: Any) -> dict[str, Any]:
    begun = NOW - timedelta(seconds=seconds)
    if "terminated" in state:
        state["terminated"] = {
            "startedAt": begun.isoformat(),
            "finishedAt": NOW.isoformat(),
            **state["terminated"],
        }
    if "running" in state:
        state["running"] = {"startedAt": begun.isoformat()}
    return {"status": {"phase": phase, "containerStatuses": [{"name": "base", "state": state}]}}


def test_what_failed_comes_first_then_what_never_ran_then_the_oldest() -> None:
    checks = [check(name) for name in ("passed", "old", "older", "new", "failed", "skipped")]
    known = {
        "passed/quorum": ended(minutes=10),
        "old/quorum": ended(minutes=70),
        "older/quorum": ended(minutes=90),
        "failed/quorum": ended(CheckState.FAILED, minutes=10),
        "skipped/quorum": ended(CheckState.SKIPPED, minutes=10),
    }
    assert [one.component.name for one in due(checks, known, NOW, 9)] == ["failed", "new", "older", "old"]
    assert [one.component.name for one in due(checks, known, NOW, 2)] == ["failed", "new"]


@given(st.integers(0, 40), st.integers(1, 20))
def test_every_check_has_its_turn_within_the_rounds_that_it_takes(count: int, most: int) -> None:
    checks = [check(f"c{index}") for index in range(count)]
    known: dict[str, CheckMemory] = {}
    now = NOW
    for _ in range(-(-count // most)):
        chosen = due(checks, known, now, most)
        assert len(chosen) <= most
        known |= {one.key: CheckMemory(state=CheckState.PASSED, proves="", at=now) for one in chosen}
        now += timedelta(minutes=1)
    assert len(known) == count
    assert due(checks, known, now, most) == []


def test_a_pass_needs_its_line_of_proof() -> None:
    one, done = check("kafka"), pod(terminated={"exitCode": 0})
    passed = outcome(one, done, ["noise", '{"check":"quorum","voters":3}'], NOW)
    assert (passed.state, passed.proved, passed.seconds) == (CheckState.PASSED, {"voters": 3}, 2.0)
    silent = outcome(one, done, ["noise"], NOW)
    assert silent.state is CheckState.FAILED
    assert "without a last line" in silent.reason


@pytest.mark.parametrize(
    ("given_pod", "lines", "state", "reason"),
    [
        (pod("Failed", terminated={"exitCode": 1}), ["quorum: no leader"], CheckState.FAILED, "exit code 1: quorum"),
        (pod("Failed", terminated={"exitCode": 137, "reason": "OOMKilled"}), [], CheckState.FAILED, "OOMKilled"),
        (pod("Failed", terminated={"exitCode": 100}), ["no such image here"], CheckState.SKIPPED, "no such image here"),
        (pod("Running", 181, running={}), [], CheckState.FAILED, "did not end within 180 s"),
        (pod("Running", 20, running={}), [], CheckState.SKIPPED, "started too late"),
        (None, [], CheckState.SKIPPED, "its pod is gone"),
        (
            pod("Pending", waiting={"reason": "ImagePullBackOff", "message": "no such tag"}),
            [],
            CheckState.SKIPPED,
            "did not start: ImagePullBackOff: no such tag",
        ),
        (
            {"status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}},
            [], CheckState.SKIPPED, "found no node: 0/3 nodes",
        ),
        ({"status": {"phase": "Pending"}}, [], CheckState.SKIPPED, "did not start"),
        (
            {"status": {**pod("Failed", terminated={"exitCode": 137})["status"], "reason": "Evicted"}},
            [], CheckState.SKIPPED, "was ended: Evicted",
        ),
        (
            {"status": {**pod("Failed", 200, terminated={"exitCode": 137})["status"], "reason": "DeadlineExceeded"}},
            [], CheckState.FAILED, "did not end within",
        ),
    ],
)  # fmt: skip
def test_only_what_the_check_itself_found_is_held_against_its_component(
    given_pod: Any, lines: list[str], state: CheckState, reason: str
) -> None:
    found = outcome(check("kafka"), given_pod, lines, NOW)
    assert found.state is state
    assert reason in found.reason


def test_what_failed_at_once_is_worth_a_second_try() -> None:
    results = {
        "a/x": ended(CheckState.FAILED, seconds=3.0),
        "b/x": ended(CheckState.FAILED, seconds=170.0),
        "c/x": ended(CheckState.FAILED),
        "d/x": ended(CheckState.SKIPPED, seconds=1.0),
    }
    assert again(results) == ["a/x"]


def test_a_failure_is_a_finding_until_it_is_stale() -> None:
    known = {
        "kafka/quorum": ended(CheckState.FAILED, minutes=5, reason="exit code 1: no leader"),
        "kafka/old": ended(CheckState.FAILED, minutes=STALE.total_seconds() / 60 + 1),
        "kafka/skipped": ended(CheckState.SKIPPED),
    }
    (found,) = failed_checks(seen(known), NOW)
    assert (found.subject, found.labels["component"]) == ("check kafka/quorum", "kafka")
    assert found.what == "exit code 1: no leader; it should show that it works"
    assert found.runbook == "docs/runbooks/check-failed.md"


def test_what_is_no_longer_deployed_is_forgotten_and_what_is_new_is_waiting() -> None:
    known = remembered([check("kafka"), check("mongodb")], {"kafka/quorum": ended(), "gone/quorum": ended()})
    assert set(known) == {"kafka/quorum", "mongodb/quorum"}
    assert (known["mongodb/quorum"].state, known["mongodb/quorum"].reason) == (CheckState.SKIPPED, NOT_YET)


def test_the_page_says_what_passed_and_what_did_not_run() -> None:
    known = {
        "kafka/quorum": ended(minutes=20),
        "mongodb/replica-set": ended(CheckState.SKIPPED, reason="no image here"),
        "grafana/login": ended(CheckState.SKIPPED, reason="no image here"),
    }
    body = HealthBody(
        findings=[], counts={}, calls={}, seconds=0.1, checks=seen(known), checking=Checking(run_id="r", ran=2)
    )
    report = Report[HealthBody](
        kind="health", environment="dev", region="us-east-1", run_id="r", started=NOW, ended=NOW, verdict="Healthy",
        summary="fine", body=body,
    )  # fmt: skip
    text = markdown(report)
    assert "Checks inside the cluster: 1 passed, 0 failed, 2 not run, 2 of them in this run" in text
    assert "- not run: mongodb/replica-set, grafana/login: no image here" in text


def test_a_benchmark_is_never_light() -> None:
    with pytest.raises(ValidationError, match="a benchmark is not light"):
        check("kafka", tolerances={"rate": {"better": "higher", "percent": 10}})


def test_the_catalogs_light_checks_are_few_small_and_each_is_due_within_two_hours() -> None:
    components = load_components()
    found = light_checks(components.values(), components)
    assert len(found) > 20
    # Twelve runs of five, each about once an hour.
    assert len(found) <= 5 * 12
    assert timedelta(minutes=50) <= EVERY < timedelta(hours=1)
    for one in found:
        assert one.check.memory in {"64Mi", "128Mi", "256Mi", "384Mi"}, one.key


def test_a_pods_name_is_the_same_for_every_try_and_short_enough() -> None:
    hook = LightChecksHook(None, None, run_id("scheduled__2026-11-22T12:00:00+00:00"))  # type: ignore[arg-type]
    long = check("a-component-with-forty-characters-exactly", "a-check-with-a-long-name")
    assert hook.name(long, 1) == hook.name(long, 1) != hook.name(long, 2)
    assert len(hook.name(long, 1)) <= 63
