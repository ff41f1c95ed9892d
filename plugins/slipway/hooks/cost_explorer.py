"""Cost Explorer, which charges 0.01 USD a request: every request is counted, and none is made beyond the ceiling.

A night asks four questions of the account, for all its platforms together, and two of each platform. Retries of the
SDK are off here: Cost Explorer counts refused requests too, so a throttled part is reported missing and asked again by
the next night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from slipway.hooks.aws import CONNECTION_ID, DENIED, client, code_of, message_of
from slipway.model.bill import (
    AwsAnomaly,
    AwsBudget,
    AwsForecast,
    BillLine,
    CallCount,
    RecordTypeLine,
    TagLine,
    TeamLine,
)
from slipway.model.platform import Platform
from slipway.model.report import Missing

# Cost Explorer, Budgets and cost allocation tags live there, whatever region they tell of.
REGION = "us-east-1"
PLATFORM_TAG = "slipway:platform"
# One question may need a second page when an account is large; then another one goes without.
ACCOUNT_CALLS = 4
PLATFORM_CALLS = 2
SPARE_PAGES = 1
HISTORY = timedelta(days=70)
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
# Charges that are no usage of the day they appear on.
NO_USAGE = ("Credit", "Refund", "Tax", "EdpDiscount", "BundledDiscount", "PrivateRateDiscount", "Support")
_METRICS = ["UnblendedCost", "UsageQuantity"]

T = TypeVar("T")
Filter = dict[str, Any]


class CeilingReached(Exception):
    """The night's requests are used up."""


class CostExplorerHook:
    """Asks Cost Explorer.

    :param allowed: requests that may be made, pages included.
    :ivar missing: parts that could not be had, with the reason.
    """

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.made = 0
        self.missing: list[Missing] = []
        self._api: Any = AwsBaseHook(
            aws_conn_id=CONNECTION_ID, client_type="ce", region_name=REGION, config=_ONCE
        ).get_conn()

    @property
    def count(self) -> CallCount:
        """Requests so far."""
        return CallCount(made=self.made, allowed=self.allowed)

    def part(self, name: str, ask: Callable[[], T]) -> T | None:
        """Answer of one question; what keeps it from being answered is noted, and ``None`` stands in for it."""
        try:
            return ask()
        except CeilingReached:
            self.missing.append(Missing(part=name, reason=f"the ceiling of {self.allowed} requests is reached"))
        except (ClientError, BotoCoreError) as error:
            self.missing.append(Missing(part=name, reason=reason_of(error)))
        return None

    def platform_lines(self, platform: Platform, today: date) -> list[BillLine]:
        """Usage of a platform by day, service and usage type, for ten weeks, today's beginning left out."""
        groups = [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}]
        found = []
        for day, keys, metrics in self._usage(today - HISTORY, today, _usage_of(platform), groups, _METRICS):
            quantity = metrics["UsageQuantity"]
            line = BillLine(
                day=day,
                service=keys[0],
                usage_type=keys[1],
                usd=float(metrics["UnblendedCost"]["Amount"]),
                quantity=float(quantity["Amount"]),
                unit="" if quantity.get("Unit") == "N/A" else quantity.get("Unit", ""),
            )
            found.append(line)
        return found

    def forecast(self, platform: Platform, today: date, level: int = 80) -> AwsForecast:
        """What Cost Explorer expects of a platform from today to the end of the month, today's end included."""
        end = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        answer = self._ask(
            "get_cost_forecast",
            TimePeriod={"Start": today.isoformat(), "End": end.isoformat()},
            Metric="UNBLENDED_COST",
            Granularity="MONTHLY",
            Filter=_usage_of(platform),
            PredictionIntervalLevel=level,
        )
        rows = answer["ForecastResultsByTime"]
        return AwsForecast(
            first=today,
            last=end - timedelta(days=1),
            usd=float(answer["Total"]["Amount"]),
            low_usd=sum(float(row.get("PredictionIntervalLowerBound", row["MeanValue"])) for row in rows),
            high_usd=sum(float(row.get("PredictionIntervalUpperBound", row["MeanValue"])) for row in rows),
            level=level,
        )

    def by_platform(self, start: date, end: date) -> list[TagLine]:
        """Usage of the whole account by day, platform and service; without a platform, the tag's value is empty."""
        groups = [{"Type": "TAG", "Key": PLATFORM_TAG}, {"Type": "DIMENSION", "Key": "SERVICE"}]
        return [
            TagLine(day=day, value=_tag_value(keys[0]), service=keys[1], usd=_usd(metrics))
            for day, keys, metrics in self._usage(start, end, _only_usage(), groups, ["UnblendedCost"])
        ]

    def charges(self, start: date, end: date) -> list[RecordTypeLine]:
        """Credits, refunds, tax and usage of the account and its platforms, over the whole time."""
        groups = [{"Type": "DIMENSION", "Key": "RECORD_TYPE"}, {"Type": "TAG", "Key": PLATFORM_TAG}]
        return [
            RecordTypeLine(record_type=keys[0], value=_tag_value(keys[1]), usd=_usd(metrics))
            for _, keys, metrics in self._usage(start, end, None, groups, ["UnblendedCost"], "MONTHLY")
        ]

    def by_team(self, start: date, end: date, tag: str) -> list[TeamLine]:
        """Usage of the account's platforms by another tag, over the whole time."""
        groups = [{"Type": "TAG", "Key": PLATFORM_TAG}, {"Type": "TAG", "Key": tag}]
        return [
            TeamLine(platform=_tag_value(keys[0]), value=_tag_value(keys[1]), usd=_usd(metrics))
            for _, keys, metrics in self._usage(start, end, _only_usage(), groups, ["UnblendedCost"], "MONTHLY")
        ]

    def anomalies(self, start: date, end: date) -> list[AwsAnomaly]:
        """What AWS Cost Anomaly Detection found in the account; nothing where it has no monitor."""
        window = {"StartDate": start.isoformat(), "EndDate": end.isoformat()}
        return [_anomaly(one) for one in self._ask("get_anomalies", DateInterval=window, MaxResults=100)["Anomalies"]]

    def _usage(
        self,
        start: date,
        end: date,
        filter_: Filter | None,
        groups: list[dict[str, str]],
        metrics: list[str],
        granularity: str = "DAILY",
    ) -> Iterator[tuple[date, list[str], Mapping[str, Any]]]:
        """Groups of all periods and pages."""
        arguments: dict[str, Any] = {
            "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
            "Granularity": granularity,
            "Metrics": metrics,
            "GroupBy": groups,
        }
        if filter_ is not None:
            arguments["Filter"] = filter_
        while True:
            answer = self._ask("get_cost_and_usage", **arguments)
            for period in answer["ResultsByTime"]:
                day = date.fromisoformat(period["TimePeriod"]["Start"])
                for group in period["Groups"]:
                    yield day, group["Keys"], group["Metrics"]
            token = answer.get("NextPageToken")
            if not token:
                return
            arguments["NextPageToken"] = token

    def _ask(self, operation: str, **arguments: Any) -> Any:
        if self.made >= self.allowed:
            raise CeilingReached
        self.made += 1
        return getattr(self._api, operation)(**arguments)


def find_budget(platform: Platform) -> AwsBudget | None:
    """The AWS budget that watches the platform's tag; reading budgets is free. ``None`` when there is none."""
    api = client("budgets", REGION)
    wanted = f"user:{PLATFORM_TAG}${platform.name}"
    pages = api.get_paginator("describe_budgets").paginate(AccountId=platform.environment.account)
    for page in pages:
        for one in page.get("Budgets", []):
            if wanted in (one.get("CostFilters") or {}).get("TagKeyValue", []):
                spend = one.get("CalculatedSpend") or {}
                return AwsBudget(
                    name=one["BudgetName"],
                    limit_usd=float(one["BudgetLimit"]["Amount"]),
                    actual_usd=_amount(spend.get("ActualSpend")),
                    forecast_usd=_amount(spend.get("ForecastedSpend")),
                )
    return None


def reason_of(error: Exception) -> str:
    """Why a call did not work, with what mends it where that is known."""
    if not isinstance(error, ClientError):
        return str(error)
    code = code_of(error)
    text = f"{error.operation_name}: {code}: {message_of(error)}"
    if code in DENIED:
        text += f"; allow {error.operation_name} in the IAM policy of the connection {CONNECTION_ID}"
    return text


def _usage_of(platform: Platform) -> Filter:
    """Usage of one platform in its region. What belongs to no region counts to the environment's first one."""
    regions = [platform.region]
    if platform.region == platform.environment.regions[0]:
        regions += ["global", "NoRegion"]
    return {
        "And": [
            {"Tags": {"Key": PLATFORM_TAG, "Values": [platform.name], "MatchOptions": ["EQUALS"]}},
            {"Dimensions": {"Key": "REGION", "Values": regions}},
            _only_usage(),
        ]
    }


def _only_usage() -> Filter:
    return {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": list(NO_USAGE)}}}


def _tag_value(key: str) -> str:
    """Groups by tag are called ``<key>$<value>``."""
    return key.partition("$")[2]


def _usd(metrics: Mapping[str, Any]) -> float:
    return float(metrics["UnblendedCost"]["Amount"])


def _amount(spend: Mapping[str, str] | None) -> float | None:
    return float(spend["Amount"]) if spend else None


def _anomaly(one: Mapping[str, Any]) -> AwsAnomaly:
    cause = (one.get("RootCauses") or [{}])[0]
    impact = one.get("Impact") or {}
    first = str(one.get("AnomalyStartDate"))[:10]
    return AwsAnomaly(
        id=one["AnomalyId"],
        first=date.fromisoformat(first),
        last=date.fromisoformat(str(one.get("AnomalyEndDate") or first)[:10]),
        service=cause.get("Service") or one.get("DimensionValue", ""),
        region=cause.get("Region", ""),
        usage_type=cause.get("UsageType", ""),
        usd=float(impact.get("TotalImpact", 0.0)),
        expected_usd=impact.get("TotalExpectedSpend"),
        score=(one.get("AnomalyScore") or {}).get("MaxScore"),
    )
