"""Cost Explorer is asked so often and no more, and what it refuses is named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from slipway.decisions.cost_actuals import (
    month,
    month_forecast,
    newest_whole_day,
    settled_day,
    total,
    verdict,
)
from slipway.decisions.cost_body import actual_part, summary, verdict_of
from slipway.hooks import cost_bills
from slipway.hooks.cost_explorer import CostExplorerHook, _usage_of
from slipway.model.bill import BillLine, CallCount, PlatformBill
from slipway.model.cost import CostVerdict, Forecasts
from slipway.model.platform import Platform

from tests.unit.cost.worked_month import TODAY, Responses


def test_nothing_is_asked_beyond_the_ceiling(responses: Responses, platform: Platform) -> None:
    hook = CostExplorerHook(1)
    # Two pages are one too many.
    assert hook.part("the bill", lambda: hook.platform_lines(platform, TODAY)) is None
    assert hook.part("forecast", lambda: hook.forecast(platform, TODAY)) is None
    assert len(responses.asked) == hook.made == 1
    assert [one.part for one in hook.missing] == ["the bill", "forecast"]
    assert all("ceiling of 1" in one.reason for one in hook.missing)


def test_a_denied_question_says_what_to_allow(
    responses: Responses, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> None:
        response = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
        raise ClientError(response, "GetCostForecast")  # type: ignore[arg-type]

    monkeypatch.setattr(responses, "get_cost_forecast", denied)
    bill = cost_bills._ask(platform, TODAY)
    assert len(bill.lines) == 70 * 7
    (said,) = bill.missing
    assert said.part == "forecast of Cost Explorer"
    assert "allow GetCostForecast in the IAM policy" in said.reason


def test_only_the_first_region_gets_what_has_none(platform: Platform) -> None:
    two = platform.environment.model_copy(update={"regions": ["us-east-1", "eu-west-1"]})
    for region, expected in (("us-east-1", ["us-east-1", "global", "NoRegion"]), ("eu-west-1", ["eu-west-1"])):
        condition = _usage_of(Platform(two, region))["And"][1]["Dimensions"]
        assert condition == {"Key": "REGION", "Values": expected}


def line(day: date, usd: float) -> BillLine:
    return BillLine(day=day, service="EC2 - Other", usage_type="NatGateway-Hours", usd=usd)


def through(day: date, usd: float, days: int = 60) -> list[BillLine]:
    return [line(day - timedelta(days=back), usd) for back in range(days)]


def test_a_bill_that_lags_is_reported_as_far_as_it_is_whole() -> None:
    late = TODAY - timedelta(days=5)
    assert settled_day(through(late, 1.0), TODAY) == late
    assert settled_day(through(TODAY, 1.0), TODAY) == newest_whole_day(TODAY) == date(2026, 11, 20)
    assert settled_day([line(TODAY, 1.0)], TODAY) is None


def test_without_last_week_there_is_nothing_to_compare() -> None:
    day = date(2026, 11, 20)
    assert total([line(day, 2.0)], day).last_week_usd is None
    assert total([line(day, 2.0), line(day - timedelta(days=9), 1.0)], day).last_week_usd == 0


@pytest.mark.parametrize(
    ("budget", "expected"),
    [(700, CostVerdict.WITHIN), (500, CostVerdict.FORECAST_OVER), (300, CostVerdict.OVER)],
)
def test_verdicts(platform: Platform, budget: float, expected: CostVerdict) -> None:
    # 20 days at 20 USD are 400, 30 days 600.
    day = date(2026, 11, 20)
    lines = through(day, 20.0)
    so_far = month(lines, day, None, platform=platform.name, budget_usd=budget, aws_budget=None)
    found = month_forecast(lines, so_far, None)
    assert found.ours is not None
    assert found.ours.usd == pytest.approx(600)
    assert verdict(so_far, found) is expected
    assert so_far.net_usd is None, "credits are not known without the account's bill"


def test_the_last_day_of_a_month_needs_no_forecast(platform: Platform) -> None:
    day = date(2026, 10, 31)
    so_far = month(through(day, 1.0), day, None, platform=platform.name, budget_usd=100, aws_budget=None)
    found = month_forecast(through(day, 1.0), so_far, None)
    assert found.ours is not None
    assert (found.ours.usd, found.ours.low_usd, found.ours.high_usd) == (31.0, 31.0, 31.0)


def test_no_bill_is_unknown_and_not_free(platform: Platform) -> None:
    empty = PlatformBill(calls=CallCount(made=2, allowed=3))
    body = actual_part(platform, empty, None, None, TODAY)
    assert verdict_of(body) == "unknown"
    assert body.total is None
    assert body.forecast == Forecasts()
    assert "no bill" in summary(body)
