"""The health DAG: list the fleet, repeat light checks, watch each platform, mend what may be, tell who cares."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, TriggerRule

from slipway.operators.fleet import ListPlatformsOperator
from slipway.operators.health import TellOperator, WatchOperator
from slipway.operators.light_checks import LightChecksOperator
from slipway.operators.runbook import RunbooksOperator

# Looking again in ten minutes is better than looking late.
_QUICK: dict[str, Any] = {"retries": 1, "retry_delay": timedelta(seconds=10), "execution_timeout": timedelta(minutes=5)}
_INDEX = "{{ task.member['environment'] }} {{ task.member['region'] }}"


def fleet_params() -> dict[str, Param]:
    """Narrowing a run by hand; a scheduled one looks at everything."""
    return {
        "environment": Param(None, type=["null", "string"], title="Environment", description="Only this one."),
        "region": Param(None, type=["null", "string"], title="Region", description="Only this one."),
    }


def build_health() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    # The bucket outlives a cluster that is lost, which is the worst of all findings.
    fleet = ListPlatformsOperator(task_id="list_platforms", trace="bucket", **_QUICK)
    common: dict[str, Any] = {"map_index_template": _INDEX, **_QUICK}
    checks = LightChecksOperator.partial(task_id="checks", **common).expand(member=fleet.output)
    # Whatever became of the checks: a verdict is due, and says that they did not run.
    watch = WatchOperator.partial(task_id="watch", trigger_rule=TriggerRule.ALL_DONE, **common).expand(
        member=fleet.output
    )
    tell = TellOperator.partial(task_id="tell", trigger_rule=TriggerRule.ALL_DONE, **common).expand(member=fleet.output)
    mend = RunbooksOperator.partial(task_id="runbooks", trigger_rule=TriggerRule.ALL_DONE, **common).expand(
        member=fleet.output
    )
    # One after the other: all keep what they remember in one object.
    checks >> watch >> mend >> tell
