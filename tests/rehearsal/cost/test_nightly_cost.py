"""The nightly cost DAG on the rehearsal cloud: the whole report, and what is left of it when parts are missing."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from slipway.hooks.cost_explorer import ACCOUNT_CALLS, PLATFORM_CALLS
from slipway.model.cost import How

from tests.rehearsal.cost.conftest import Priced, call

pytestmark = [
    pytest.mark.timeout(180),
    # Airflow's own, about the libraries it uses; ours are errors in the unit tests.
    pytest.mark.filterwarnings("ignore"),
]


def test_a_night(priced: Priced) -> None:
    before = priced.questions()
    state, tasks = priced.night()
    assert state == "success", tasks
    report, body = priced.report(), priced.report().body

    # The number of paid requests is the stated one, and the report says it.
    assert priced.questions() - before == ACCOUNT_CALLS + PLATFORM_CALLS == 6
    assert body.account_calls is not None
    assert (body.calls.made, body.account_calls.made) == (2, 4)
    assert report.missing == []

    # Lines, services and the day are one sum.
    assert body.total is not None
    assert sum(one.usd for one in body.services) == pytest.approx(body.total.usd, abs=0.001)
    assert sum(one.usd for one in body.usage) == pytest.approx(body.total.usd, abs=0.001)
    names = {one.name for one in body.usage}
    assert {"NAT gateways, hours", "Volumes, gp2", "EKS control plane, hours", "Transfer between zones"} <= names

    # The scenario's runaway NAT traffic is found, by us and by AWS.
    spike = next(one for one in body.anomalies if one.service == "EC2 - Other")
    assert spike.drivers[0][0] == "NAT gateways, data processed"
    assert [one.usage_type for one in body.aws_anomalies] == ["NatGateway-Bytes"]
    assert spike.day == body.aws_anomalies[0].first

    # Inventory and prices explain the bill.
    assert body.explained is not None
    unknown = [one.name for one in body.explained.lines if one.how is How.NOTHING]
    assert body.explained.share > 0.98, [str(one) for one in body.explained.lines]
    assert unknown == []

    # Everything the cluster costs is somebody's, idle or shared.
    allocation = body.allocation
    assert allocation is not None
    parts = sum(one.usd for one in allocation.components) + allocation.idle_usd + allocation.shared_usd
    assert parts == pytest.approx(allocation.total_usd, abs=0.01)
    assert "prometheus" in {one.name for one in allocation.components}
    assert allocation.idle_usd > 0

    savings = {one.name for one in body.savings.items}
    assert {"one-nat", "idle-volumes", "idle-addresses", "graviton/primary", "schedule"} <= savings
    assert body.savings.total_usd < sum(one.monthly_usd for one in body.savings.items)
    assert body.untagged is not None
    assert body.untagged.usd > 0


def test_report_page_and_history_are_in_the_bucket(priced: Priced) -> None:
    bucket = "slipway-dev-123456789012-us-east-1"
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="reports/dev/us-east-1/cost/")["Contents"]
    keys = [one["Key"] for one in listed]
    assert [key for key in keys if key.endswith("latest.json")]
    page = next(key for key in keys if key.endswith(".md"))
    text = boto3.client("s3").get_object(Bucket=bucket, Key=page)["Body"].read().decode()
    for heading in ("# Cost of dev", "## Anomalies", "## What stands there", "## By component", "## Savings"):
        assert heading in text
    assert "Cost Explorer was asked 2 times for this platform" in text


def test_a_retry_asks_cost_explorer_nothing(priced: Priced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.operators.cost.started_at", lambda _: priced.report().started)
    before = priced.questions(), priced.questions("pricing.")
    priced.alone()
    # Prices are kept for a week, and answers of the night for its retries.
    assert (priced.questions(), priced.questions("pricing.")) == before


@pytest.mark.parametrize(
    ("service", "operation", "part"),
    [
        ("ce", "GetCostAndUsage", "the bill"),
        ("ce", "GetCostForecast", "forecast of Cost Explorer"),
        ("pricing", "GetProducts", "list prices of"),
        ("ec2", "DescribeSpotPriceHistory", "spot prices"),
        ("savingsplans", "DescribeSavingsPlansOfferingRates", "rates of Savings Plans"),
        ("ec2", "DescribeNatGateways", "inventory of NAT gateways"),
        ("eks", "DescribeClusterVersions", "Kubernetes versions' support"),
    ],
)
def test_a_part_that_is_denied_is_named_and_the_rest_stands(
    priced: Priced, monkeypatch: pytest.MonkeyPatch, service: str, operation: str, part: str
) -> None:
    _forget_prices()
    monkeypatch.setattr("slipway.operators.cost.started_at", _another_minute)
    before = priced.questions()
    with priced.aws_fault("denied", service=service, operation=operation):
        report = priced.alone()
    assert any(part in one.part for one in report.missing), [str(one) for one in report.missing]
    assert priced.questions() - before <= 6
    assert report.body.estimate is not None
    assert report.body.estimate.monthly_usd > 0
    assert report.body.allocation is not None
    if part == "the bill":
        assert report.verdict == "unknown"
        assert report.body.total is None
    else:
        assert report.body.total is not None


def test_throttling_costs_no_further_request(priced: Priced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.operators.cost.started_at", _another_minute)
    before = priced.questions()
    with priced.aws_fault("throttled", service="ce", operation="GetCostForecast", times=9):
        report = priced.alone()
    assert priced.questions() - before == 6
    assert any("Throttl" in one.reason for one in report.missing)
    assert report.body.forecast.ours is not None


def test_one_platform_that_fails_does_not_hide_the_others(priced: Priced, monkeypatch: pytest.MonkeyPatch) -> None:
    from slipway.hooks import fleet

    original = fleet._of_environment

    def broken(name: str, *rest: Any) -> list[Any]:
        return [fleet.Member("prod", "us-east-1", "head_bucket: 403")] if name == "prod" else original(name, *rest)

    monkeypatch.setattr(fleet, "_of_environment", broken)
    started = priced.report().started
    state, tasks = priced.night()
    assert state == "failed"
    assert sorted(tasks[f"report[{index}]"] for index in (0, 1)) == ["failed", "success"]
    assert tasks["fleet[-1]"] == "failed"
    assert priced.report().started > started


def test_an_inactive_tag_is_named(priced: Priced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.operators.cost.started_at", _another_minute)
    call("PATCH", f"{priced.url}/_rehearsal/costs", {"active_tags": ["team"]})
    try:
        report = priced.alone()
    finally:
        call("PATCH", f"{priced.url}/_rehearsal/costs", {"active_tags": ["slipway:platform", "team"]})
    (said,) = [one for one in report.missing if one.part == "the bill"]
    assert "aws ce update-cost-allocation-tags-status" in said.reason
    assert report.verdict == "unknown"


def _forget_prices() -> None:
    boto3.client("s3").delete_object(Bucket="slipway-dev-123456789012-us-east-1", Key="prices/us-east-1.json")


_minutes = iter(range(1, 1000))


def _another_minute(_: Any) -> Any:
    """A run of its own, whose answers nobody kept yet."""
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1000 - next(_minutes))
