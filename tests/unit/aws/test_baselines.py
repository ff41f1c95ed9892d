"""Results of benchmarks in the artefact bucket: good ones become the baseline, regressions never do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from slipway.hooks import aws
from slipway.hooks.baselines import BaselinesHook
from slipway.model.component import Better, Check, Component, ComponentSpec, StageName, Tolerance
from slipway.model.environment import Budget, Cluster, Endpoint, Environment, Network, NodeGroup
from slipway.model.platform import Platform

CHECK = Check(
    name="http-latency",
    proves="percentiles of responses under load",
    script="checks/http-latency.sh",
    tolerances={"p95_ms": Tolerance(better=Better.LOWER, percent=50)},
)
SPEC = ComponentSpec(description="Benchmark", namespace="validation", checks=[CHECK])
BENCHMARK = Component(name="benchmark", stage=StageName.VALIDATION, folder=Path("benchmark"), spec=SPEC)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[BaselinesHook]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    environment = Environment(
        name="dev",
        account="123456789012",
        regions=["us-east-1"],
        network=Network(cidr="10.0.0.0/16"),
        cluster=Cluster(endpoint=Endpoint(public_cidrs=["192.0.2.0/24"])),
        node_groups={"primary": NodeGroup(instance_types=["t3.medium"])},
        budget=Budget(monthly_usd=1),
    )
    platform = Platform(environment, "us-east-1")
    aws._client.cache_clear()
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=platform.bucket)
        yield BaselinesHook(platform)
    aws._client.cache_clear()


def test_good_results_become_the_baseline_and_regressions_do_not(hook: BaselinesHook) -> None:
    for value in (100, 110, 105):
        assert not hook.judge(BENCHMARK, CHECK, {"p95_ms": value}, f"run-{value}")[0].regressed
    for number in range(10):
        (found,) = hook.judge(BENCHMARK, CHECK, {"p95_ms": 400}, f"slow-{number}")
        assert found.regressed
        assert found.baseline == 105
    stored = hook.records.get_json("baselines/benchmark/http-latency.json")
    assert [result["p95_ms"] for result in stored["results"]] == [100, 110, 105]
    assert hook.where(BENCHMARK, CHECK).endswith("/baselines/benchmark/http-latency.json")


def test_run_that_is_tried_again_counts_once_and_is_not_held_against_itself(hook: BaselinesHook) -> None:
    hook.judge(BENCHMARK, CHECK, {"p95_ms": 100}, "first")
    hook.judge(BENCHMARK, CHECK, {"p95_ms": 60}, "killed after its result was kept")
    (found,) = hook.judge(BENCHMARK, CHECK, {"p95_ms": 110}, "killed after its result was kept")
    assert found.baseline == 100
    stored = hook.records.get_json("baselines/benchmark/http-latency.json")
    assert [result["p95_ms"] for result in stored["results"]] == [100, 110]
