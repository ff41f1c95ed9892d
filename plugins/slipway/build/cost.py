"""The nightly cost DAG: list the fleet, ask for the account's bill once, report each platform, sum up the fleet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule

from slipway.operators.cost import AccountBillOperator, FleetCostOperator, PlatformCostOperator
from slipway.operators.fleet import ListPlatformsOperator

_INDEX = "{{ task.member['environment'] }} {{ task.member['region'] }}"
_COMMON: dict[str, Any] = {
    "retries": 1,
    "retry_delay": timedelta(minutes=2),
    "execution_timeout": timedelta(minutes=10),
}


def build_cost() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    # The bucket outlives a teardown, and so does what a teardown forgot and still costs money.
    members = ListPlatformsOperator(task_id="list_platforms", trace="bucket", **_COMMON)
    account = AccountBillOperator(task_id="account_bill", members=members.output, **_COMMON)
    report = PlatformCostOperator.partial(
        task_id="report", keeper=account.output, map_index_template=_INDEX, **_COMMON
    ).expand(member=members.output)
    fleet = FleetCostOperator(
        task_id="fleet", members=members.output, reporter="report", trigger_rule=TriggerRule.ALL_DONE, **_COMMON
    )
    account >> report >> fleet
