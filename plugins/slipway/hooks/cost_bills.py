"""The night's questions to Cost Explorer, asked once: answers are kept, so that a retried task asks nothing again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TypeVar

from slipway.decisions.cost_actuals import newest_whole_day
from slipway.hooks.cost_explorer import (
    ACCOUNT_CALLS,
    PLATFORM_CALLS,
    PLATFORM_TAG,
    SPARE_PAGES,
    CostExplorerHook,
)
from slipway.hooks.records import RecordsHook
from slipway.model.bill import AccountBill, PlatformBill
from slipway.model.platform import Platform
from slipway.model.records import Record
from slipway.model.report import Missing, prefix

Kept = TypeVar("Kept", bound=Record)

# By which the month is divided within an environment, beside the platform's own tag.
TEAM_TAG = "team"
_BILL = "the bill"
_NO_LINES = (
    "no cost carries {tag}={value}. The platform is younger than a day, or the tag is not active; the payer's account "
    "activates it: aws ce update-cost-allocation-tags-status "
    "--cost-allocation-tags-status TagKey={tag},Status=Active; its bill begins a day later"
)
_ANOMALY_DAYS = timedelta(days=30)


def _once(platform: Platform, key: str, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
    """What is kept under a key, made and kept when there is nothing yet."""
    records = RecordsHook(platform)
    found = records.get_json(key)
    if found is not None:
        return kind.model_validate(found)
    made = make()
    records.put_json(key, made.model_dump(mode="json"))
    return made


def bill_key(platform: Platform, scope: str, today: date, run: str) -> str:
    """Where a night's answers are kept; among the reports, so that they end with them."""
    return f"{prefix(platform.environment.name, platform.region, f'bill-{scope}', today)}{run}.json"


def account_bill(platform: Platform, today: date, run: str) -> AccountBill:
    """Four questions of the whole account: by platform, by kind of charge, by team, anomalies.

    :param platform: in whose bucket the answers are kept.
    """
    return _once(
        platform, bill_key(platform, "account", today, run), AccountBill, lambda: _ask_account(platform, today)
    )


def _ask_account(platform: Platform, today: date) -> AccountBill:
    hook = CostExplorerHook(ACCOUNT_CALLS + SPARE_PAGES)
    day = newest_whole_day(today)
    first, after = day.replace(day=1), day + timedelta(days=1)
    start = min(first, day - timedelta(days=7))
    return AccountBill(
        account=platform.environment.account,
        as_of=today,
        platforms=hook.part("cost by tag", lambda: hook.by_platform(start, after)) or [],
        charges=hook.part("credits, refunds and tax", lambda: hook.charges(first, after)) or [],
        teams=hook.part(f"cost by tag {TEAM_TAG}", lambda: hook.by_team(first, after, TEAM_TAG)) or [],
        anomalies=hook.part("anomalies found by AWS", lambda: hook.anomalies(today - _ANOMALY_DAYS, today)) or [],
        tag=TEAM_TAG,
        calls=hook.count,
        missing=hook.missing,
    )


def platform_bill(platform: Platform, today: date, run: str) -> PlatformBill:
    """Two questions of one platform: its usage of ten weeks, and AWS's forecast of the month's rest."""
    return _once(platform, bill_key(platform, "usage", today, run), PlatformBill, lambda: _ask(platform, today))


def _ask(platform: Platform, today: date) -> PlatformBill:
    hook = CostExplorerHook(PLATFORM_CALLS + SPARE_PAGES)
    lines = hook.part(_BILL, lambda: hook.platform_lines(platform, today)) or []
    forecast = hook.part("forecast of Cost Explorer", lambda: hook.forecast(platform, today))
    if not lines and not any(one.part == _BILL for one in hook.missing):
        hook.missing.append(Missing(part=_BILL, reason=_NO_LINES.format(tag=PLATFORM_TAG, value=platform.name)))
    return PlatformBill(lines=lines, forecast=forecast, calls=hook.count, missing=hook.missing)
