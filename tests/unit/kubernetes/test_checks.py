"""What counts as a proof, which image a check runs in, what a stage amounts to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.checks import Expected, judge_stage, last_words, main_image, proof_in, summary
from slipway.model.component import Check, Component, ComponentSpec, StageName
from slipway.model.errors import ConfigurationError
from slipway.model.records import CheckResult, CheckState


def test_the_last_proof_counts_even_with_noise_behind_it() -> None:
    lines = ['{"check":"round-trip","read":1}', "more", '{"check":"round-trip","read":1000}', "WARN closing", ""]
    assert proof_in(lines, "round-trip") == {"read": 1000}


@pytest.mark.parametrize(
    "line",
    [
        "done",
        "",
        "{",
        "[1]",
        '"round-trip"',
        '{"level":"info","msg":"ok"}',
        '{"check":"another","read":1}',
        '{"check":"round-trip","rate":NaN}',
        '{"check":"round-trip"} trailing',
    ],
)
def test_anything_else_proves_nothing(line: str) -> None:
    assert proof_in([line], "round-trip") is None


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans(), st.none())))
def test_a_proof_keeps_its_numbers(value: dict[str, Any]) -> None:
    value.pop("check", None)
    assert proof_in(["noise", json.dumps({"check": "c", **value})], "c") == value


@given(st.lists(st.text()))
def test_noise_never_fails(lines: list[str]) -> None:
    assert proof_in(lines, "no such check") is None
    assert last_words(lines) == last_words([*lines, "  "])


def component(**spec: Any) -> Component:
    described = ComponentSpec(description="Kafka", namespace="streaming", **spec)
    return Component(name="kafka", stage=StageName.DATA_LAYER, folder=Path("kafka"), spec=described)


def workload(kind: str, name: str, *images: tuple[str, str]) -> dict[str, Any]:
    containers = [{"name": container, "image": image} for container, image in images]
    spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


def test_main_image_is_the_workload_and_container_of_the_components_name() -> None:
    manifests = [
        workload("StatefulSet", "zookeeper", ("zookeeper", "zookeeper:1")),
        workload("Deployment", "kafka", ("jmx", "jmx:1"), ("kafka", "kafka:1")),
        {"kind": "ConfigMap", "metadata": {"name": "kafka"}},
    ]
    assert main_image(component(), manifests) == "kafka:1"
    assert main_image(component(), manifests[:1]) == "zookeeper:1"
    assert main_image(component(), [workload("CronJob", "kafka", ("x", "x:1"))]) == "x:1"


def test_no_workload_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="name the image that the check runs in"):
        main_image(component(), [])


def result(check: str, state: CheckState) -> CheckResult:
    return CheckResult(component="kafka", check=check, state=state, proves="it works", reason="why")


def test_a_stage_is_green_only_when_nothing_failed_and_nothing_is_unknown() -> None:
    checks = [Check(name=name, proves="it works", command=["true"]) for name in ("a", "b")]
    expected = [Expected("kafka", check) for check in checks]
    passed, skipped = result("a", CheckState.PASSED), result("b", CheckState.SKIPPED)
    both = judge_stage(expected, {("kafka", "a"): passed, ("kafka", "b"): skipped})
    assert both.green
    assert str(both) == "1 proven, 1 not run, 0 failed"
    failing = judge_stage(expected, {("kafka", "a"): passed, ("kafka", "b"): result("b", CheckState.FAILED)})
    assert not failing.green
    unknown = judge_stage(expected, {("kafka", "a"): passed})
    assert not unknown.green
    assert unknown.missing == ["kafka/b"]
    assert summary(unknown)["passed"] == 1
    assert summary(unknown)["green"] is False
