"""The synthetic bill: Cost Explorer's shapes, the account's resources, and the same numbers every time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.aws.conftest import Aws

TODAY = datetime.now(UTC).date()
TAGS = [
    {"Key": "slipway:platform", "Value": "slipway-cost"},
    {"Key": "team", "Value": "data"},
]


@pytest.fixture
def volume(aws: Aws) -> Iterator[str]:
    """100 GiB of gp3 that carry a platform's tags: the least that a bill can be made of."""
    ec2 = aws.client("ec2")
    made = ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=100,
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": TAGS}],
    )["VolumeId"]
    yield made
    ec2.delete_volume(VolumeId=made)
    aws.cloud.costs.reset()


def ask(aws: Aws, days: int = 10, **arguments: Any) -> list[dict[str, Any]]:
    answer = aws.client("ce").get_cost_and_usage(
        **{
            "TimePeriod": {"Start": (TODAY - timedelta(days=days)).isoformat(), "End": TODAY.isoformat()},
            "Granularity": "DAILY",
            "Metrics": ["UnblendedCost", "UsageQuantity"],
            "Filter": {"Tags": {"Key": "slipway:platform", "Values": ["slipway-cost"]}},
            "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
            **arguments,
        }
    )
    found: list[dict[str, Any]] = answer["ResultsByTime"]
    return found


def usd(row: dict[str, Any]) -> float:
    return float(row["Metrics"]["UnblendedCost"]["Amount"])


def test_what_stands_is_billed_by_the_day(aws: Aws, volume: str) -> None:
    rows = ask(aws)
    assert len(rows) == 10
    assert rows[0]["Total"] == {}, "Cost Explorer leaves Total empty when there are groups"
    day = rows[2]
    disk = next(row for row in day["Groups"] if row["Keys"] == ["EC2 - Other", "EBS:VolumeUsage.gp3"])
    first = datetime.fromisoformat(day["TimePeriod"]["Start"])
    length = ((first.replace(day=1) + timedelta(days=32)).replace(day=1) - first.replace(day=1)).days
    assert usd(disk) == pytest.approx(100 * 0.08 / length, abs=1e-9)
    assert disk["Metrics"]["UsageQuantity"]["Unit"] == "GB-Mo"


def test_the_bill_is_the_same_for_the_same_seed(aws: Aws, volume: str) -> None:
    first = ask(aws)
    assert ask(aws) == first
    aws.cloud.costs.scenario["seed"] = 2
    assert ask(aws) != first


def test_the_newest_day_is_not_whole_yet(aws: Aws, volume: str) -> None:
    rows = ask(aws)
    sums = [sum(usd(row) for row in day["Groups"]) for day in rows]
    hour = datetime.now(UTC).hour + datetime.now(UTC).minute / 60
    assert sums[-1] <= sums[-2] * (hour / 24 + 0.3)


def test_credits_and_refunds_are_records_of_their_own(aws: Aws, volume: str) -> None:
    first = (TODAY - timedelta(days=40)).replace(day=1)
    rows = ask(
        aws,
        TimePeriod={"Start": first.isoformat(), "End": (first + timedelta(days=28)).isoformat()},
        Granularity="MONTHLY",
        Filter={"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage"]}}},
        GroupBy=[{"Type": "DIMENSION", "Key": "RECORD_TYPE"}, {"Type": "TAG", "Key": "slipway:platform"}],
    )
    found = {tuple(row["Keys"]): usd(row) for row in rows[0]["Groups"]}
    assert found["Credit", "slipway:platform$slipway-cost"] == -12.5
    assert found["Refund", "slipway:platform$slipway-cost"] == -3.2
    assert found["Credit", "slipway:platform$"] == -5.0


def test_a_tag_that_is_not_active_divides_nothing(aws: Aws, volume: str) -> None:
    client = aws.client("ce")
    status = [{"TagKey": "slipway:platform", "Status": "Inactive"}]
    client.update_cost_allocation_tags_status(CostAllocationTagsStatus=status)
    assert all(day["Groups"] == [] for day in ask(aws))
    listed = client.list_cost_allocation_tags(TagKeys=["slipway:platform"])["CostAllocationTags"]
    assert [one["Status"] for one in listed] == ["Inactive"]


def test_anomalies_are_found_when_there_is_a_monitor(aws: Aws, volume: str) -> None:
    window = {"StartDate": (TODAY - timedelta(days=20)).isoformat(), "EndDate": TODAY.isoformat()}
    aws.cloud.costs.scenario["anomalies"] = [
        {"usage_type": "DataTransfer-Out-Bytes", "days_ago": 5, "days": 1, "factor": 40}
    ]
    (found,) = aws.client("ce").get_anomalies(DateInterval=window)["Anomalies"]
    assert found["RootCauses"][0]["UsageType"] == "DataTransfer-Out-Bytes"
    assert found["Impact"]["TotalImpact"] == pytest.approx(found["Impact"]["TotalActualSpend"] * 39 / 40, rel=1e-3)
    aws.cloud.costs.scenario["detection"] = False
    assert aws.client("ce").get_anomalies(DateInterval=window)["Anomalies"] == []


def test_forecast(aws: Aws, volume: str) -> None:
    period = {"Start": TODAY.isoformat(), "End": (TODAY + timedelta(days=7)).isoformat()}
    arguments = {
        "Metric": "UNBLENDED_COST",
        "Granularity": "DAILY",
        "Filter": {"Tags": {"Key": "slipway:platform", "Values": ["slipway-cost"]}},
    }
    client = aws.client("ce")
    answer = client.get_cost_forecast(TimePeriod=period, **arguments)
    week = sum(usd(row) for day in ask(aws, days=9)[:7] for row in day["Groups"])
    assert float(answer["Total"]["Amount"]) == pytest.approx(week, rel=0.5)
    one = answer["ForecastResultsByTime"][0]
    bounds = [float(one[key]) for key in ("PredictionIntervalLowerBound", "MeanValue", "PredictionIntervalUpperBound")]
    assert bounds == sorted(bounds)
    arguments["Filter"] = {"Tags": {"Key": "slipway:platform", "Values": ["slipway-none"]}}
    with pytest.raises(ClientError, match="DataUnavailableException"):
        client.get_cost_forecast(TimePeriod=period, **arguments)


def test_filters_that_match_nothing_are_no_errors(aws: Aws, volume: str) -> None:
    rows = ask(aws, Filter={"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Nonsense"]}})
    assert all(day["Groups"] == [] for day in rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}] * 3}, "at most 2"),
        ({"Metrics": ["Nonsense"]}, "Nonsense"),
        ({"Filter": {"Dimensions": {"Key": "SERVICE", "Values": []}, "Tags": {}}}, "exactly one"),
    ],
)
def test_requests_that_cost_explorer_refuses(aws: Aws, volume: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        ask(aws, **change)


def test_pages_hold_whole_days(aws: Aws, volume: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ask(aws)
    monkeypatch.setattr("rehearsal.aws.costs.service.PAGE", 25)
    client = aws.client("ce")
    found, token, pages = [], None, 0
    while True:
        more = {"NextPageToken": token} if token else {}
        answer = client.get_cost_and_usage(
            TimePeriod={"Start": (TODAY - timedelta(days=10)).isoformat(), "End": TODAY.isoformat()},
            Granularity="DAILY",
            Metrics=["UnblendedCost", "UsageQuantity"],
            Filter={"Tags": {"Key": "slipway:platform", "Values": ["slipway-cost"]}},
            GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
            **more,
        )
        pages += 1
        found += answer["ResultsByTime"]
        token = answer.get("NextPageToken")
        if not token:
            break
    assert pages > 1
    assert found == whole
