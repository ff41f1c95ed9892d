"""Every figure of the report of the worked month, recomputed by hand. The arithmetic is in the comments."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from slipway.decisions.cost_body import actual_part, estimate_part, summary, verdict_of
from slipway.decisions.cost_estimate import items
from slipway.decisions.cost_page import page
from slipway.model.bill import AccountBill, AwsBudget, PlatformBill
from slipway.model.cost import AnomalyKind, CostBody, How
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook
from slipway.model.report import Report
from slipway.model.resource import Kind, Resource

from tests.unit.cost.worked_month import DAY, SPIKE, TODAY, Responses

# 1 to 20 November: the 1st, 7th, 8th, 14th and 15th are weekends' days, which leaves fifteen weekdays.
WEEKDAY, WEEKEND = 7.1368, 6.8668
GROSS = 15 * WEEKDAY + 5 * WEEKEND + 13.50  # 107.052 + 34.334 + 13.50 = 154.886


def resource(kind: Kind, name: str, **attributes: object) -> Resource:
    return Resource.model_validate(
        {"kind": kind.value, "id": name, "region": "us-east-1", "attributes": attributes, "ours": True}
    )


RESOURCES = [
    resource(Kind.CLUSTER, "slipway-dev", version="1.36"),
    resource(Kind.INSTANCE, "i-1", type="t3.medium", state="running"),
    resource(Kind.INSTANCE, "i-2", type="t3.medium", state="running"),
    resource(Kind.NAT, "nat-1", state="available"),
    # 30 GiB are attached; the bill has 60, so half of the volumes' line is not explained.
    resource(Kind.VOLUME, "vol-1", type="gp3", gib=30, iops=3000, throughput=125, state="in-use"),
    # Made today: it is not on the bill of the 20th.
    resource(Kind.BALANCER, "alb-1", type="application", scheme="internal", zones=3),
]


@pytest.fixture
def body(platform: Platform, bill: PlatformBill, account: AccountBill, prices: PriceBook) -> CostBody:
    watched = AwsBudget(name="b", limit_usd=400.0, actual_usd=150.0, forecast_usd=230.0)
    made = actual_part(platform, bill, account, watched, TODAY)
    return estimate_part(made, list(items(RESOURCES)), prices, {}, bill)


def test_questions_are_six_and_one_page_more(bill: PlatformBill, account: AccountBill, responses: Responses) -> None:
    # Of the platform: usage (two pages) and forecast. Of the account: by tag, charges, team, anomalies.
    assert (bill.calls.made, bill.calls.usd) == (3, 0.03)
    assert (account.calls.made, account.calls.usd) == (4, 0.04)
    assert len(responses.asked) == 7
    usage = responses.asked[0][1] if "GroupBy" in responses.asked[0][1] else responses.asked[1][1]
    assert usage["TimePeriod"] == {"Start": "2026-09-13", "End": "2026-11-22"}


def test_the_day_against_the_same_day_last_week(body: CostBody) -> None:
    assert body.day == DAY
    assert body.total is not None
    # Friday the 20th and Friday the 13th are usual weekdays: 1.9968 + 1.08 + 0.45 + 0.16 + 2.40 + 1.00 + 0.05
    assert (body.total.usd, body.total.last_week_usd, body.total.change_usd) == (7.1368, 7.1368, 0)
    services = {one.name: one.usd for one in body.services}
    assert services == {
        "Amazon Elastic Container Service for Kubernetes": 2.40,
        "Amazon Elastic Compute Cloud - Compute": 1.9968,
        "EC2 - Other": 1.69,  # 1.08 + 0.45 + 0.16
        "AmazonCloudWatch": 1.00,
        "Amazon Mystery": 0.05,
    }
    assert [one.usd for one in body.services] == sorted(services.values(), reverse=True)
    hidden = {one.name: (one.usd, one.quantity, one.unit) for one in body.usage if one.service == "EC2 - Other"}
    assert hidden == {
        "NAT gateways, hours": (1.08, 24.0, "Hrs"),
        "NAT gateways, data processed": (0.45, 10.0, "GB"),
        "Volumes, gp3": (0.16, 2.0, "GB-Mo"),
    }


def test_the_month(body: CostBody) -> None:
    so_far = body.month
    assert so_far is not None
    assert (so_far.first, so_far.through, so_far.days, so_far.days_in_month) == (date(2026, 11, 1), DAY, 20, 30)
    assert so_far.gross_usd == pytest.approx(154.886)
    assert pytest.approx(154.886) == GROSS
    # The 21st, a Saturday, has come by a quarter: 6.8668 / 4. It is shown and not counted.
    assert so_far.preliminary_usd == pytest.approx(1.7167)
    # The budget is the environment's: 20 x 1.00 of its other region come on top.
    assert so_far.environment_usd == pytest.approx(174.886)
    assert (so_far.credits_usd, so_far.refunds_usd, so_far.tax_usd) == (-20.0, -1.5, 3.1)
    assert so_far.net_usd == pytest.approx(174.886 - 20 - 1.5)
    assert so_far.budget_share == pytest.approx(174.886 / 400)
    assert so_far.time_share == pytest.approx(20 / 30)
    # Credits of nobody are told apart.
    assert {(one.record_type, one.value): one.usd for one in body.charges}["Credit", ""] == -7.0


def test_forecasts(body: CostBody) -> None:
    ours, aws = body.forecast.ours, body.forecast.aws
    assert ours is not None
    assert aws is not None
    # Left are 21 to 30 November: 6 weekdays (23 to 27 and 30) and 4 days of weekends (21, 22, 28, 29). Without the
    # spike that is 6 x 7.1368 + 4 x 6.8668 = 42.8208 + 27.4672 = 70.288, and 154.886 are spent.
    assert ours.usd == pytest.approx(154.886 + 70.288, abs=0.02)
    assert ours.method != "seasonal-naive", "repeating the last week would repeat its spike"
    assert ours.skill is not None
    # No method foresaw the spike, and otherwise one week is like the other: nothing is better, and the report says so.
    assert ours.skill.error == ours.skill.naive_error > 0
    assert "no method did better" in ours.note
    assert ours.low_usd <= ours.usd <= ours.high_usd
    # Cost Explorer begins on the 22nd: the 21st is taken at the mean of 14 to 20 November, two days of a weekend, four
    # usual weekdays and the spike: (2 x 6.8668 + 4 x 7.1368 + 20.6368) / 7 = 62.9176 / 7 = 8.98823
    gap = (2 * WEEKEND + 4 * WEEKDAY + WEEKDAY + 13.5) / 7
    assert gap == pytest.approx(8.98823, abs=1e-5)
    assert (aws.usd, aws.low_usd, aws.high_usd) == pytest.approx(
        (154.886 + gap + 63, 154.886 + gap + 59, 154.886 + gap + 67), abs=1e-3
    )
    # Against the budget: 225.174 and the other region's 20 USD of 20 days, which are 30 in 30 days.
    assert verdict_of(body) == "within-budget"
    assert "255.1" in summary(body) or "255.2" in summary(body)


def test_the_anomaly_is_found_with_its_cause(body: CostBody) -> None:
    (found,) = body.anomalies
    assert (found.day, found.service, found.kind) == (SPIKE, "EC2 - Other", AnomalyKind.SPIKE)
    # 1.08 + 13.95 + 0.16 in place of 1.69
    assert (found.usd, found.expected_usd) == (15.19, 1.69)
    assert found.drivers == [("NAT gateways, data processed", 13.5)]
    assert [one.usd for one in body.aws_anomalies] == [13.5]


def test_tags(body: CostBody) -> None:
    assert {one.name: one.usd for one in body.tags} == {"slipway-dev": 8.1368, "(no tag)": 0.46}
    assert body.untagged is not None
    assert (body.untagged.usd, body.untagged.tagged_usd) == (0.46, 8.1368)
    assert body.untagged.share == pytest.approx(0.46 / 8.5968)
    assert body.untagged.services == [("EC2 - Other", 0.4), ("AWS Cost Explorer", 0.06)]
    # The other environment's 900 USD of team data are not ours.
    assert body.teams == [("data", 100.0), ("(no tag team)", 61.0)]


def test_the_estimate_line_by_line(body: CostBody) -> None:
    assert body.estimate is not None
    lines = {one.what: one.monthly_usd for one in body.estimate.lines}
    assert lines == {
        "EKS control plane": 73.0,  # 730 x 0.10
        "Instances on demand, t3.medium": 60.736,  # 2 x 730 x 0.0416
        "NAT gateways": 32.85,  # 730 x 0.045
        "Load balancers, application": 16.425,  # 730 x 0.0225
        "Volumes, gp3": 2.4,  # 30 x 0.08
    }
    assert body.estimate.monthly_usd == pytest.approx(73 + 60.736 + 32.85 + 16.425 + 2.4)


def test_the_bill_explained_line_by_line(body: CostBody) -> None:
    found = body.explained
    assert found is not None
    lines = {one.name: (one.billed_usd, one.expected_usd, one.how) for one in found.lines}
    assert lines == {
        "EKS control plane, hours": (2.4, 2.4, How.INVENTORY),
        "Instances on demand, t3.medium": (1.9968, 1.9968, How.INVENTORY),
        "NAT gateways, hours": (1.08, 1.08, How.INVENTORY),
        "NAT gateways, data processed": (0.45, 0.45, How.METERED),
        "Logs taken in": (1.0, 1.0, How.METERED),
        "Volumes, gp3": (0.16, 0.08, How.INVENTORY),  # 30 GiB of the 60 billed: 2.4 / 30 days
        "Mystery:Units": (0.05, None, How.NOTHING),
    }
    # 7.1368 less 0.08 of volumes and the 0.05 that nobody knows.
    assert (found.billed_usd, found.unexplained_usd) == (7.1368, 0.13)
    assert found.explained_usd == pytest.approx(7.0068)
    assert found.absent == [("Load balancers, application", 0.54)]  # 24 x 0.0225


def test_the_page_names_what_matters(body: CostBody) -> None:
    report = Report[CostBody](
        kind="cost",
        environment="dev",
        region="us-east-1",
        run_id="r",
        started=datetime(2026, 11, 22, 2, tzinfo=UTC),
        ended=datetime(2026, 11, 22, 2, 1, tzinfo=UTC),
        verdict=verdict_of(body),
        summary=summary(body),
        body=body,
    )
    text = page(report)
    for figure in ("154.89", "174.89", "-20.00", "153.39", "15.19", "185.41", "98%", "Mystery:Units 0.05"):
        assert figure in text, figure
    assert Report[CostBody].model_validate_json(report.model_dump_json(by_alias=True)) == report
